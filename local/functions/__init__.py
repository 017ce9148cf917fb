"""A local Azure Functions host: runs a Python app through Microsoft's own worker library, without Azure.

Read in this order: `worker` (indexes the app and invokes its functions), `settings` (host.json and app settings),
`triggers` (what starts each function), `queues`, `timers` and `web` (the three kinds of trigger), `invocations` (what a
function is started with), `host` (the whole). It behaves as the .NET host does around the worker; what it does not do,
it refuses at start, and says so.
"""
