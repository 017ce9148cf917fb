"""A Dataverse simulator in this process on a frozen clock, with the clients of the app and of a person."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any

import httpx

from local.dataverse.seed import status_id
from local.dataverse.server import SWITCHES, DataverseSimulator
from local.sample import TECHNICIANS, SampleBooking, build_sample
from local.switchboard import APP_TOKEN, PERSON_TOKEN, Switchboard, WorldClock

TODAY = date(2030, 3, 1)
NOW = datetime(2030, 3, 1, 8, 0, tzinfo=UTC)
ROOT = "http://dataverse.local/api/data/v9.2"
SAMPLE = build_sample(TODAY)
ADA = TECHNICIANS[0]
EVERYTHING = {"Prefer": 'odata.include-annotations="*"'}


async def no_sleep(_: float) -> None:
    """For faults with a delay: the clock of these tests stands still."""


class Environment:
    """`booking` is a scheduled, linked visit of Ada Berg's; `path` its address."""

    def __init__(self, *, sleep: Callable[[float], Awaitable[None]] = no_sleep, **switches: Any) -> None:
        board = Switchboard(switches=SWITCHES, clock=WorldClock(NOW), sleep=sleep)
        board.set_switches(switches)
        self.board = board
        self.simulator = DataverseSimulator(today=TODAY, switchboard=board)
        self.world = self.simulator.world
        self.app = self._client(APP_TOKEN)
        self.person = self._client(PERSON_TOKEN)
        self.booking: SampleBooking = SAMPLE.bookings[0]
        self.path = f"/bookableresourcebookings({self.booking.booking_id})"

    def _client(self, token: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.simulator.app)
        return httpx.AsyncClient(transport=transport, base_url=ROOT, headers={"Authorization": f"Bearer {token}"})

    async def get(self, path: str, **options: Any) -> dict[str, Any]:
        """The JSON of a GET that must succeed; `select="name"` becomes `$select=name`, and so on."""
        parameters = {f"${name}": value for name, value in options.items()}
        response = await self.app.get(path, params=parameters or None)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    async def etag(self, path: str | None = None) -> str:
        return str((await self.get(path or self.path))["@odata.etag"])

    async def state(self, name: str) -> dict[str, Any]:
        """What `/_control/state` shows of the booking with that name."""
        response = await self.app.get("http://dataverse.local/_control/state")
        (booking,) = (one for one in response.json()["bookings"] if one["name"] == name)
        shown: dict[str, Any] = booking
        return shown


def bind_status(name: str) -> dict[str, str]:
    return {"BookingStatus@odata.bind": f"/bookingstatuses({status_id(name)})"}


def refusal(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal in the service's shape."""
    error = response.json()["error"]
    assert set(error) == {"code", "message"}
    assert error["message"]
    return response.status_code, error["code"]
