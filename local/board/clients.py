"""How the board opens its connections to the other parts of the local world."""

from collections.abc import Mapping

import httpx

_PATIENCE_SECONDS = 20
_IDLE_SECONDS = 2
"""Uvicorn closes a connection that has been idle for 5 seconds; used again at that very moment, it would break."""


def open_client(
    base_url: str,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.AsyncClient:
    """A client for one part; `transport` None: over real HTTP. Close it when done."""
    return httpx.AsyncClient(
        base_url=base_url,
        transport=transport,
        headers=headers,
        trust_env=False,
        timeout=_PATIENCE_SECONDS,
        limits=httpx.Limits(keepalive_expiry=_IDLE_SECONDS),
    )
