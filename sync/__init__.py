"""Keeps Dynamics 365 bookings and Outlook events equal.

Read in this order: `core.sides` (bookings and events), `core.memory` and `core.mailboxes` (what is remembered of them),
`core.work_items`, then `core.actions` and `core.reconcile` (every rule of the business, pure), `service.reconciling`
(gather, decide, perform for one event), then `service.intake`, `service.sweeping` and `service.upkeep` (how work comes
in), `service.disposal` (what becomes of an item that fails), `service.ports` (what all of it needs from outside) and
`adapters` (Graph, Dataverse, Azure Storage). `bootstrap` builds it; `settings` is the only reader of the environment.
"""
