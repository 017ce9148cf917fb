"""A Microsoft Graph simulator: mailboxes, events, subscriptions, delta and notification delivery, in memory.

It accepts what the service accepts and refuses what the service refuses, with the service's status and error codes.
Read in this order: `switches`, `events`, `world`, `subscriptions`, `courier`, `delta`, `server`.
"""
