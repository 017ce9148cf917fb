"""Trouble to enjoy: a few of the simulators' switches and faults, by names that a newcomer understands.

What is on is read back from the simulators, so it is also right when somebody else has changed it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from local.board.clients import open_client
from local.board.sides import UnusableError

Service = Literal["graph", "dataverse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Either switches, by name as trouble and as usual, or a planned fault."""

    name: str
    title: str
    hint: str
    service: Service
    switches: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    fault: Mapping[str, Any] = field(default_factory=dict)


TROUBLES = (
    Trouble(
        name="lose-notifications",
        title="Graph loses notifications",
        hint="Move an event: nobody hears of it. The sweep does.",
        service="graph",
        switches={"lose": (1.0, 0.0)},
    ),
    Trouble(
        name="lose-webhooks",
        title="Dynamics loses webhooks",
        hint="Move a booking: nobody hears of it. The sweep does.",
        service="dataverse",
        switches={"webhook_lose": (1.0, 0.0)},
    ),
    Trouble(
        name="throttle",
        title="Graph answers 429, four times",
        hint="The app waits as long as it is told, then goes on.",
        service="graph",
        fault={
            "times": 4,
            "status": 429,
            "headers": {"Retry-After": "3"},
            "body": {"error": {"code": "ApplicationThrottled", "message": "Over the limit."}},
        },
    ),
    Trouble(
        name="hide-answer",
        title="Graph's next answer to a new event is lost",
        hint="Book a visit: the event is made, nobody says so. Still only one.",
        service="graph",
        fault={"kind": "event.create", "when": "after", "status": 0},
    ),
    Trouble(
        name="graph-down",
        title="Graph is down",
        hint="Nothing is lost. Changes arrive when it is up again.",
        service="graph",
        fault={
            "times": None,
            "status": 503,
            "body": {"error": {"code": "ServiceUnavailable", "message": "Try again later."}},
        },
    ),
    Trouble(
        name="refuse",
        title="A plug-in refuses cancelling",
        hint="Delete an event: a dead letter says why its booking stays.",
        service="dataverse",
        switches={"refuse_status_change": ("Inspected work cannot be cancelled.", None)},
    ),
)


class Switchboards:
    """The control routes of both simulators. Every method raises `httpx.HTTPError` when they do not answer."""

    def __init__(
        self, urls: Mapping[Service, str], *, transports: Mapping[Service, httpx.AsyncBaseTransport] | None = None
    ) -> None:
        self._http = {
            service: open_client(f"{url}/_control", transport=(transports or {}).get(service))
            for service, url in urls.items()
        }

    async def aclose(self) -> None:
        for http in self._http.values():
            await http.aclose()

    async def troubles(self) -> list[dict[str, Any]]:
        """Each with whether it is on, for the page."""
        switches = {service: (await http.get("/switches")).json() for service, http in self._http.items()}
        faults = {service: (await http.get("/faults")).json() for service, http in self._http.items()}
        return [
            {
                "name": trouble.name,
                "title": trouble.title,
                "hint": trouble.hint,
                "is_on": any(_is_of(trouble, fault) for fault in faults[trouble.service])
                if trouble.fault
                else all(switches[trouble.service][name] == bad for name, (bad, _) in trouble.switches.items()),
            }
            for trouble in TROUBLES
        ]

    async def set_trouble(self, name: str, *, is_on: bool) -> None:
        """Begin it or end it. Raises `UnusableError` for one that is not there."""
        trouble = next((one for one in TROUBLES if one.name == name), None)
        if trouble is None:
            raise UnusableError(f"there is no trouble {name!r}")
        http = self._http[trouble.service]
        if trouble.switches:
            values = {switch: bad if is_on else usual for switch, (bad, usual) in trouble.switches.items()}
            (await http.post("/switches", json=values)).raise_for_status()
            return
        others = [fault for fault in (await http.get("/faults")).json() if not _is_of(trouble, fault)]
        (await http.delete("/faults")).raise_for_status()
        await self._plan(http, [*others, trouble.fault] if is_on else others)

    @staticmethod
    async def _plan(http: httpx.AsyncClient, faults: Sequence[Mapping[str, Any]]) -> None:
        for fault in faults:
            (await http.post("/faults", json=dict(fault))).raise_for_status()


def _is_of(trouble: Trouble, fault: Mapping[str, Any]) -> bool:
    """Whether a planned fault is this trouble's, however often it is still to come."""
    return bool(trouble.fault) and all(fault[name] == value for name, value in trouble.fault.items() if name != "times")
