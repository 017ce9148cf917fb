"""What a checkup reads off tokens, clocks and our own addresses, and how it says that nothing answers."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError

from sync.adapters.probing import DeploymentProbes, identity_of
from sync.adapters.static_token import StaticTokenCredential
from sync.core.doctor_facts import Service
from sync.core.errors import AccessDenied, InvalidPayload, ServiceUnavailable

NOW = datetime(2026, 11, 21, 9, 0, 30, tzinfo=UTC)
ADDRESSES = {Service.GRAPH: "https://graph.example/v1.0", Service.DATAVERSE: "https://contoso.example"}
ROLES = ["Calendars.ReadWrite", "Calendars.Read"]


def token(**claims: Any) -> str:
    payload = urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{payload}.signature"


class Watch:
    """A clock that goes on by a second with each look."""

    def __init__(self) -> None:
        self._at = NOW - timedelta(seconds=1)

    def __call__(self) -> datetime:
        self._at += timedelta(seconds=1)
        return self._at


def probes(answer: Callable[[httpx.Request], httpx.Response] | None = None, credential: Any = None) -> DeploymentProbes:
    """Probes whose network is `answer`. Storage is not asked here."""
    return DeploymentProbes(
        queues=None,  # type: ignore[arg-type]
        tables=None,  # type: ignore[arg-type]
        credential=credential or StaticTokenCredential("local"),
        addresses=ADDRESSES,
        clock=Watch(),
        http_transport=httpx.MockTransport(answer) if answer else None,
    )


def dated(date: str) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(401, headers={"Date": date} if date else {})


@pytest.mark.parametrize(
    ("claims", "name", "is_app", "roles"),
    [
        ({"idtyp": "app", "appid": "the-app", "roles": ROLES}, "the-app", True, tuple(sorted(ROLES))),
        ({"idtyp": "user", "oid": "a-person", "appid": "a-tool", "scp": "x"}, "a-person", False, ()),
        ({"scp": "user_impersonation", "oid": "a-person"}, "a-person", False, ()),
        ({"roles": ROLES, "azp": "the-app"}, "the-app", True, tuple(sorted(ROLES))),
        ({"oid": "whoever"}, "whoever", None, ()),
        ({}, "whose token tells no more", None, ()),
    ],
)
def test_a_token_tells_whose_it_is(claims: dict[str, Any], name: str, is_app: bool | None, roles: tuple[str]) -> None:
    identity = identity_of(token(**claims))
    assert (identity.name, identity.is_app, identity.roles) == (name, is_app, roles)


@pytest.mark.parametrize("text", ["local-app-token", "a.b.c", "a.W10.c", "a.!!!.c", ""])
def test_a_token_of_another_form_tells_nothing(text: str) -> None:
    assert identity_of(text).is_app is None


async def test_an_identity_without_a_token_says_why_in_one_line() -> None:
    class NoIdentity:
        async def get_token(self, *_: str) -> None:
            raise ClientAuthenticationError("No identity answered.\nAttempted credentials: many\nlines of them")

    with pytest.raises(AccessDenied, match=r"^No token could be had: No identity answered\.$"):
        await probes(credential=NoIdentity()).identify(Service.GRAPH)


async def test_a_token_is_asked_for_the_services_own_host() -> None:
    asked: list[str] = []

    class Noting(StaticTokenCredential):
        async def get_token(self, *scopes: str, **_: Any) -> Any:
            asked.extend(scopes)
            return await super().get_token()

    for service in Service:
        await probes(credential=Noting("local")).identify(service)
    assert asked == ["https://graph.example/.default", "https://contoso.example/.default"]


@pytest.mark.parametrize(
    ("date", "ahead"),
    [
        ("Sat, 21 Nov 2026 09:00:30 GMT", -0.5),  # asked at :30, answered at :31
        ("Sat, 21 Nov 2026 09:01:10 GMT", 39.5),
        ("Sat, 21 Nov 2026 08:50:30 GMT", -600.5),
    ],
)
async def test_any_answer_tells_the_services_time(date: str, ahead: float) -> None:
    assert await probes(dated(date)).read_clock(Service.DATAVERSE) == ahead


async def test_an_answer_without_a_date_is_told() -> None:
    with pytest.raises(InvalidPayload, match="without a date"):
        await probes(dated("")).read_clock(Service.GRAPH)


async def test_our_own_address_is_called_as_a_service_calls_it() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, text="echo", headers={"Content-Type": "text/plain; charset=utf-8"})

    answered = await probes(answer).post("https://app.example/api/x?key=1", body=b"{}", headers={"x-secret": "s"})
    assert (answered.status, answered.text, answered.seconds) == (200, "echo", 1.0)
    assert answered.content_type.startswith("text/plain")
    (request,) = seen
    assert (request.method, request.content, request.headers["x-secret"]) == ("POST", b"{}", "s")
    assert "Authorization" not in request.headers, "our own addresses are not shown a token"


@pytest.mark.parametrize(
    ("error", "words"),
    [(httpx.ConnectTimeout("slow"), "did not answer within 15 s"), (httpx.ConnectError("no"), "cannot be reached")],
)
async def test_what_does_not_answer_is_named_without_its_path(error: Exception, words: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(ServiceUnavailable, match=words) as raised:
        await probes(answer).post("https://app.example/api/graph/notifications?key=0123abcd")
    assert raised.value.reason.startswith("app.example ")
    assert "0123abcd" not in raised.value.reason
