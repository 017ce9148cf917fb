"""Which row of the customer's own booking statuses means cancelled."""

from asyncio import Lock
from datetime import datetime, timedelta

from sync.adapters.dataverse_http import DataverseHttp
from sync.core.errors import PermanentError, Refused
from sync.service.ports import Clock

STATUS_MEMORY = timedelta(hours=1)
"""How long the status that was looked up is trusted."""


class CancelledStatus:
    """As configured, else as Field Service's settings say, else by its values; looked up when first needed."""

    def __init__(self, http: DataverseHttp, *, clock: Clock, configured_id: str | None) -> None:
        self._http = http
        self._clock = clock
        self._configured_id = configured_id
        self._looked_up: tuple[str, datetime] | None = None
        self._lookup = Lock()

    async def get_id(self) -> str:
        """Raises `Refused` when none can be read."""
        if self._configured_id:
            return self._configured_id
        async with self._lookup:
            now = self._clock()
            if self._looked_up is None or now - self._looked_up[1] > STATUS_MEMORY:
                self._looked_up = (await self._look_up(), now)
            return self._looked_up[0]

    async def _look_up(self) -> str:
        for entity_set, query, column in _SOURCES:
            try:
                answer = await self._http.read(f"{entity_set}.query", f"{entity_set}?{query}")
            except PermanentError:
                continue  # That table belongs to a solution which is not installed here, or is not ours to read.
            found = [row[column] for row in answer.get("value", []) if row.get(column)]
            if found:
                return str(found[0])
        raise Refused("No booking status that means cancelled can be read: set CANCELLED_STATUS_ID, then replay.")


_SOURCES = (
    (
        "msdyn_fieldservicesettings",
        "$select=_msdyn_defaultcanceledbookingstatus_value",
        "_msdyn_defaultcanceledbookingstatus_value",
    ),
    (
        "msdyn_bookingsetupmetadatas",
        "$select=_msdyn_defaultbookingcanceledstatus_value",
        "_msdyn_defaultbookingcanceledstatus_value",
    ),
    (
        "bookingstatuses",
        (
            "$select=bookingstatusid"
            "&$filter=status%20eq%203%20and%20msdyn_fieldservicestatus%20eq%20690970005%20and%20statecode%20eq%200"
        ),
        "bookingstatusid",
    ),
    (
        "bookingstatuses",
        "$select=bookingstatusid&$filter=status%20eq%203%20and%20statecode%20eq%200",
        "bookingstatusid",
    ),
)
"""Where it is looked for, in this order; customers add status rows of their own."""
