"""The local world: simulators of Graph and Dataverse, a Functions host, and what starts them.

Nothing here is deployed (`.funcignore`), and nothing in `sync/` imports it.
"""
