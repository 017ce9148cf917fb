"""A strict local stand-in for the Dataverse Web API, as the booking sync uses it.

Reading order: `schema` and `tables` (what there is), `world` (rows and their history), `filters` and `query_options`
(how they are asked for), `reading` and `writing` (single rows and collections), `web_api` (routing), `server` (HTTP).
It keeps everything in memory and must never be reachable from another machine.
"""
