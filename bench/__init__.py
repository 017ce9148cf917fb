"""Measures what the app costs, each figure beside one measured in the same run, or beside a limit of the services.

`calls`: calls and steps per change in Outlook, against the Power Automate flow that the app replaces (`flow`), on one
trace; and calls per change in Dynamics. `acknowledging`: the door's answers, against an empty function and one raw
queue put. `latency`: from one side to the other. `cold_start`: importing the acknowledging path. `backfill`: a
company's first day, on virtual time, against the limits. Nothing here asserts a time.
"""
