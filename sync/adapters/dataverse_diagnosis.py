"""What Dataverse shows of Microsoft's own sync: implements `DynamicsRecords` of `sync.service.diagnosing`.

Reads only, one row or a few at a time, and never through the alternate key of users, which may add the user that it is
asked for (Dataverse documentation, webapi/aad-group-team). Sources: Dataverse documentation, references
of the tables appointment, activityparty, mailbox, systemuser and organization; checked 2026-11-21.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from sync.adapters.dataverse_http import DataverseHttp
from sync.adapters.dataverse_queries import MAILBOXES, USERS, guid, row_address
from sync.adapters.dataverse_wire import mailbox_of_user
from sync.core.errors import InvalidPayload, NotFound
from sync.core.server_side_sync import (
    AppointmentRecord,
    AppointmentState,
    Approval,
    MailboxSetup,
    MailboxTest,
    OrganizationSettings,
    Party,
    SyncMethod,
    User,
)

APPOINTMENTS = "appointments"
SERVICE_ACTIVITIES = "serviceappointments"
ORGANIZATIONS = "organizations"

_PARTIES = "appointment_activity_parties"
_LOGICAL_NAME = "Microsoft.Dynamics.CRM.lookuplogicalname"
_TABLES_OF_LOOKUPS = f'odata.include-annotations="{_LOGICAL_NAME}"'
_APPOINTMENT_QUERY = (
    "$select=scheduledstart,modifiedon,statecode,isdraft,globalobjectid,_ownerid_value"
    f"&$expand={_PARTIES}($select=participationtypemask,_partyid_value)"
)
_MAILBOX_COLUMNS = "actdeliverymethod,enabledforact,actstatus,emailrouteraccessapproval,lastsuccessfulsynccompletedon"

_REQUIRED, _OPTIONAL, _ORGANIZER = 5, 6, 7
_STATES = dict(
    enumerate(
        (
            AppointmentState.OPEN,
            AppointmentState.COMPLETED,
            AppointmentState.CANCELLED,
            AppointmentState.SCHEDULED,
        )
    )
)
_METHODS = dict(enumerate((SyncMethod.OUTLOOK_CLIENT, SyncMethod.SERVER_SIDE, SyncMethod.NONE)))
_TESTS = dict(enumerate((MailboxTest.NOT_RUN, MailboxTest.SUCCESS, MailboxTest.FAILURE)))
_APPROVALS = dict(enumerate((Approval.EMPTY, Approval.APPROVED, Approval.PENDING, Approval.REJECTED)))

_SETTING = re.compile(r"<(\w+)>([^<>]*)</\1>")
"""One of the OrgDBOrgSettings, which are stored as `<OrgSettings><Name>value</Name>...</OrgSettings>`."""


class DataverseRecords:
    """`DynamicsRecords` over Dataverse."""

    def __init__(self, http: DataverseHttp) -> None:
        self._http = http

    async def find_appointment(self, appointment_id: str) -> AppointmentRecord | None:
        address = f"{row_address(APPOINTMENTS, appointment_id)}?{_APPOINTMENT_QUERY}"
        try:
            row = await self._http.read(f"{APPOINTMENTS}.get", address, prefer=_TABLES_OF_LOOKUPS)
        except NotFound:
            return await self._find_service_activity(appointment_id)
        return _readable("appointment", lambda: _appointment(row, appointment_id.lower()))

    async def _find_service_activity(self, appointment_id: str) -> AppointmentRecord | None:
        address = f"{row_address(SERVICE_ACTIVITIES, appointment_id)}?$select=activityid"
        try:
            await self._http.read(f"{SERVICE_ACTIVITIES}.get", address)
        except NotFound:
            return None
        return AppointmentRecord(appointment_id=appointment_id.lower(), is_service_activity=True)

    async def find_user(self, user_id: str) -> User | None:
        address = f"{row_address(USERS, user_id)}?$select=azureactivedirectoryobjectid,isdisabled"
        try:
            row = await self._http.read(f"{USERS}.get", address)
        except NotFound:
            return None
        return User(user_id=user_id.lower(), mailbox_id=mailbox_of_user(row), is_enabled=not row.get("isdisabled"))

    async def find_mailbox_setup(self, user_id: str) -> MailboxSetup | None:
        # Whether a user can have several rows is not documented. One that is in use is then the one that matters.
        rows = await self._rows(MAILBOXES, _MAILBOX_COLUMNS, f"_regardingobjectid_value eq {guid(user_id)}")
        setups = _readable("mailbox", lambda: [_setup(row) for row in rows])
        return max(setups, key=lambda setup: setup.is_in_use, default=None)

    async def find_setup_of_mailbox(self, mailbox_id: str) -> MailboxSetup | None:
        rows = await self._rows(USERS, "systemuserid", f"azureactivedirectoryobjectid eq {guid(mailbox_id)}")
        return await self.find_mailbox_setup(str(rows[0].get("systemuserid"))) if rows else None

    async def read_organization_settings(self) -> OrganizationSettings:
        rows = await self._rows(ORGANIZATIONS, "orgdborgsettings")
        stored = (rows[0].get("orgdborgsettings") or "") if rows else ""
        return OrganizationSettings(dict(_SETTING.findall(stored)))

    async def _rows(self, entity_set: str, columns: str, condition: str = "") -> list[dict[str, Any]]:
        narrowed = f"&$filter={quote(condition, safe='()/,')}" if condition else ""
        document = await self._http.read(f"{entity_set}.query", f"{entity_set}?$select={columns}{narrowed}")
        rows = document.get("value")
        if not isinstance(rows, list):
            raise InvalidPayload(f"An answer lists no {entity_set}.")
        return rows


def _appointment(row: dict[str, Any], appointment_id: str) -> AppointmentRecord:
    parties = row[_PARTIES]
    return AppointmentRecord(
        appointment_id=appointment_id,
        start_at=_instant(row["scheduledstart"]),
        modified_at=_instant(row["modifiedon"]),
        state=_STATES.get(row["statecode"], AppointmentState.OTHER),
        is_draft=bool(row["isdraft"]),
        is_known_to_exchange=bool(row["globalobjectid"]),
        owner=_party(row, "_ownerid_value"),
        organizers=_parties(parties, _ORGANIZER),
        required=_parties(parties, _REQUIRED),
        optional=_parties(parties, _OPTIONAL),
    )


def _parties(rows: Iterable[dict[str, Any]], kind: int) -> tuple[Party, ...]:
    return tuple(_party(row, "_partyid_value") for row in rows if row["participationtypemask"] == kind)


def _party(row: dict[str, Any], lookup: str) -> Party:
    return Party(row.get(f"{lookup}@{_LOGICAL_NAME}") or "", (row.get(lookup) or "").lower())


def _setup(row: dict[str, Any]) -> MailboxSetup:
    return MailboxSetup(
        method=_METHODS.get(row["actdeliverymethod"], SyncMethod.OTHER),
        is_enabled=bool(row["enabledforact"]),
        test=_TESTS.get(row["actstatus"], MailboxTest.OTHER),
        approval=_APPROVALS.get(row["emailrouteraccessapproval"], Approval.OTHER),
        synced_at=_instant(row["lastsuccessfulsynccompletedon"]),
    )


def _instant(text: str | None) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _readable[T](what: str, read: Callable[[], T]) -> T:
    """Raises `InvalidPayload` for a row of another shape than the documented one."""
    try:
        return read()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidPayload(f"The {what} cannot be read: {error!r}") from error
