"""A credential that is one fixed token, for the local world. `Settings` refuses it beyond loopback."""

from types import TracebackType
from typing import Any, Self

from azure.core.credentials import AccessToken

_FAR_FUTURE = 4_102_444_800
"""2100-01-01 as epoch seconds."""


class StaticTokenCredential:
    """An `AsyncTokenCredential` that always answers the same token."""

    def __init__(self, token: str) -> None:
        self._token = AccessToken(token, _FAR_FUTURE)

    async def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return self._token

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()
