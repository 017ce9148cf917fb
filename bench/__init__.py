"""Measures what the app costs, each figure beside one measured in the same run.

`calls`: calls and steps per change, against the Power Automate flow that the app replaces (`flow`), on one trace.
`acknowledging`: the door's answers, against an empty function and one raw queue put. `latency`: from Outlook to
Dynamics. `cold_start`: importing the acknowledging path. Nothing here asserts a time.
"""
