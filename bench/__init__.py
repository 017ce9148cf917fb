"""Measures what the app costs, each figure beside one measured in the same run, or beside a limit of the services.

A part measures and answers `findings`; `parts` names all of them, `terminal` shows findings, and `document` writes them
to docs/benchmarks.md. For each part, one module or some measure, and one named `*_report` says what was found.

`calls`: calls and steps of a company's working day in Outlook (`day`), and per change, against the Power Automate flow
that the app replaces (`flow`); and calls per change in Dynamics. `acknowledging`: the door's answers, against an empty
function and one raw queue put. `latency`: from one side to the other. `cold-start`: importing the acknowledging path,
and the first answer.
`backfill`: a company's first day, on virtual time, against the limits. `scale`: upkeep and idle sweeps of many
mailboxes, on virtual time, and what the app's process needs for them. `throughput`: more work than the limits allow, on
virtual time. Nothing here asserts a time.
"""
