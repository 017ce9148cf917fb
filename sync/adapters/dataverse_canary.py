"""Makes the booking that a checkup sends around: implements `CanaryBookings`.

Apart from `DataverseClient`, which the app uses and which makes no bookings: the app's role does not allow it.
"""

from sync.adapters.dataverse_http import DataverseHttp
from sync.adapters.dataverse_queries import (
    BOOKINGS,
    RESOURCES,
    STATUSES,
    guid,
    resources_of_user,
    row_address,
    scheduled_statuses,
    wire_time,
)
from sync.core.errors import NotFound
from sync.core.sides import TimeSpan


class DataverseCanaryBookings:
    """See `CanaryBookings`."""

    def __init__(self, http: DataverseHttp) -> None:
        self._http = http

    async def make(self, booking_id: str, mailbox_id: str, span: TimeSpan, name: str) -> None:
        """With the caller's id, so that a booking whose answer was lost can be found and deleted."""
        resource_id = await self._first(
            resources_of_user(mailbox_id), "bookableresourceid", "The mailbox's user has no active bookable resource."
        )
        status_id = await self._first(
            scheduled_statuses(), "bookingstatusid", "There is no booking status that means scheduled."
        )
        row = {
            "bookableresourcebookingid": guid(booking_id),
            "name": name,
            "starttime": wire_time(span.start_at),
            "endtime": wire_time(span.end_at),
            "duration": span.minutes,
            "Resource@odata.bind": f"/{row_address(RESOURCES, resource_id)}",
            "BookingStatus@odata.bind": f"/{row_address(STATUSES, status_id)}",
        }
        await self._http.request(f"{BOOKINGS}.create", "POST", BOOKINGS, json=row)

    async def _first(self, address: str, column: str, otherwise: str) -> str:
        operation = f"{address.partition('?')[0]}.query"
        rows = (await self._http.read(operation, address)).get("value", [])
        if not rows:
            raise NotFound(otherwise, operation=operation)
        return str(rows[0][column])
