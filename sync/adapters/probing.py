"""What a checkup asks of storage, identity, clocks and our own addresses: implements `Probes`.

Only commands use it. It sends no token to our own addresses, and reads tokens only to tell whose they are.
"""

import json
from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from sync.adapters.queues import StorageWorkQueue
from sync.adapters.storage_errors import storage_call
from sync.adapters.tables import PREFIX
from sync.core.doctor_facts import DoorAnswer, Identity, Service, Storage
from sync.core.errors import AccessDenied, InvalidPayload, ServiceUnavailable
from sync.service.ports import Clock

PATIENCE_SECONDS = 15.0
"""For one call from outside; an app that is asleep takes some seconds to wake."""

_REASON_CHARACTERS = 300


class DeploymentProbes:
    """See `Probes`."""

    def __init__(
        self,
        *,
        queues: QueueServiceClient,
        tables: TableServiceClient,
        credential: AsyncTokenCredential,
        addresses: Mapping[Service, str],
        clock: Clock,
        http_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`addresses` are those of the services, whose hosts are the scopes of tokens."""
        self._queues = queues
        self._tables = tables
        self._credential = credential
        self._addresses = {service: httpx.URL(url) for service, url in addresses.items()}
        self._clock = clock
        self._http_transport = http_transport

    async def read_storage(self) -> Storage:
        async with storage_call("the queue service", PATIENCE_SECONDS):
            queues = [one.name async for one in self._queues.list_queues()]
        async with storage_call("the table service", PATIENCE_SECONDS):
            tables = [one.name async for one in self._tables.list_tables()]
        return Storage(
            queues=queues,
            tables=[name for name in tables if name.startswith(PREFIX)],
            messages=await StorageWorkQueue(self._queues).approximate_lengths(),
        )

    async def identify(self, service: Service) -> Identity:
        address = self._addresses[service]
        try:
            token = await self._credential.get_token(f"{address.scheme}://{address.netloc.decode()}/.default")
        except AzureError as error:
            first_line = str(error).strip().partition("\n")[0][:_REASON_CHARACTERS]
            raise AccessDenied(f"No token could be had: {first_line}", operation="token") from error
        return identity_of(token.token)

    async def post(self, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None) -> DoorAnswer:
        began_at = self._clock()
        answer = await self._send("POST", url, content=body, headers={"Content-Type": "text/plain", **(headers or {})})
        return DoorAnswer(
            status=answer.status_code,
            text=answer.text,
            content_type=answer.headers.get("Content-Type", ""),
            seconds=(self._clock() - began_at).total_seconds(),
        )

    async def read_clock(self, service: Service) -> float:
        """Any answer tells the time, also a refusal. It was given about half-way between question and answer."""
        asked_at = self._clock()
        answer = await self._send("GET", str(self._addresses[service]))
        answered_at = self._clock()
        try:
            date = parsedate_to_datetime(answer.headers.get("Date", ""))
        except ValueError as error:
            raise InvalidPayload(f"{service} answers without a date.", status=answer.status_code) from error
        return (date - (asked_at + (answered_at - asked_at) / 2)).total_seconds()

    async def _send(self, method: str, url: str, **request: Any) -> httpx.Response:
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, transport=self._http_transport) as http:
            try:
                return await http.request(method, url, **request)
            except httpx.TimeoutException as error:
                raise ServiceUnavailable(f"{_host(url)} did not answer within {PATIENCE_SECONDS:.0f} s") from error
            except httpx.RequestError as error:
                raise ServiceUnavailable(f"{_host(url)} cannot be reached: {type(error).__name__}") from error


def identity_of(token: str) -> Identity:
    """Whom an access token stands for, as far as it can be read (Entra documentation, access-token-claims-reference).

    Nothing is decided by it, so its signature is not looked at.
    """
    claims = _claims(token)
    roles = claims.get("roles")
    kind = claims.get("idtyp") or ("user" if claims.get("scp") else "app" if roles else "")
    is_app = {"app": True, "user": False}.get(str(kind))
    name = claims.get("appid") or claims.get("azp") if is_app else claims.get("oid")
    return Identity(
        name=str(name or "whose token tells no more"),
        is_app=is_app,
        roles=tuple(sorted(map(str, roles))) if isinstance(roles, list) else (),
    )


def _claims(token: str) -> dict[str, Any]:
    """The token's claims; none for a token of another form."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (NotBase64, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _host(url: str) -> str:
    """Without path and query, which may hold what is nobody's business."""
    return httpx.URL(url).host
