"""Appointments and the table of attendees' answers in Dataverse: implements `AnswerTable`.

Names: Dataverse documentation, table references of appointment, activityparty, contact and systemuser; the columns of
the table of answers are those of `sync.core.answer_table`. Checked 2026-11-21.
"""

import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from itertools import batched
from typing import Any
from urllib.parse import quote

from sync.adapters import dataverse_queries as queries
from sync.adapters.dataverse_batch import BATCH_SIZE, CONTENT_TYPE, BatchRequest, answers_of_batch, batch_body
from sync.adapters.dataverse_http import API_PATH, DataverseHttp, page_preference
from sync.adapters.dataverse_queries import USERS, guid, wire_time
from sync.adapters.dataverse_wire import classify_dataverse_failure, instant_from_wire, mailbox_of_user
from sync.adapters.transport import Answer
from sync.core.answer_table import (
    ADDRESS_LENGTH,
    ANSWERS,
    NAME_LENGTH,
    AnswerChoice,
    AttendanceChoice,
)
from sync.core.answers import AnswerWrite, Appointment, Attendee, uid_of
from sync.core.errors import InvalidPayload, Throttled
from sync.core.sides import TimeSpan, whole_second_utc

logger = logging.getLogger(__name__)

PAGE_SIZE = 500
USERS_IN_A_QUERY = 50
ADDRESSES_IN_A_QUERY = 25

_LOOKUP_TABLE = "Microsoft.Dynamics.CRM.lookuplogicalname"
_PARTY_TABLE = f"_partyid_value@{_LOOKUP_TABLE}"
_PARTIES = "appointment_activity_parties"
_ORGANIZER = 7
_SETS = {"contact": "contacts", "systemuser": USERS}
"""The entity sets of parties that an answer can point at."""

_BINDINGS = {"contacts": "bks_Contact@odata.bind", USERS: "bks_User@odata.bind"}


class DataverseAnswers:
    """`AnswerTable` over Dataverse. Built once per process; see `bootstrap`."""

    def __init__(self, http: DataverseHttp, *, page_size: int = PAGE_SIZE) -> None:
        self._http = http
        self._page_size = page_size
        self._mailboxes: dict[str, str | None] = {}
        """The mailbox of each user that was ever an organizer. It is theirs for good."""

    async def list_appointments(self, window: TimeSpan) -> AsyncIterator[Appointment]:
        prefer = f'odata.include-annotations="{_LOOKUP_TABLE}",{page_preference(self._page_size)}'
        address: str | None = _appointments(window)
        while address:
            page = await self._http.read("appointments.query", address, prefer=prefer)
            rows = page.get("value", [])
            await self._learn_mailboxes(filter(None, map(_organizer, rows)))
            for row in rows:
                if appointment := self._appointment(row):
                    yield appointment
            address = page.get("@odata.nextLink")

    def _appointment(self, row: dict[str, Any]) -> Appointment | None:
        """None without an organizer who has a mailbox: nobody's copy of the event would count."""
        mailbox_id = self._mailboxes.get(_organizer(row) or "")
        if mailbox_id is None:
            return None
        try:
            return appointment_from_wire(row, mailbox_id)
        except InvalidPayload as error:
            logger.warning("An appointment is left out of a sweep: %s", error.reason, extra={"action": "unreadable"})
            return None

    async def _learn_mailboxes(self, user_ids: Iterable[str]) -> None:
        unknown = [one for one in dict.fromkeys(user_ids) if one not in self._mailboxes]
        for some in batched(unknown, USERS_IN_A_QUERY, strict=False):
            rows = self._http.rows(f"{USERS}.query", queries.users_by_id(some), page_size=self._page_size)
            found = {str(row["systemuserid"]).lower(): mailbox_of_user(row) async for row in rows}
            self._mailboxes |= {user_id: found.get(user_id) for user_id in some}

    async def find_people(self, addresses: Collection[str]) -> Mapping[str, str]:
        people: dict[str, str] = {}
        for entity_set, column, condition in _PEOPLE:
            left = sorted(one for one in addresses if one not in people and len(one) <= _LONGEST_ADDRESS)
            for some in batched(left, ADDRESSES_IN_A_QUERY, strict=False):
                rows = self._http.rows(
                    f"{entity_set}.query", _people(entity_set, column, condition, some), page_size=self._page_size
                )
                people |= _only_ones([(str(row[column]).lower(), _reference(entity_set, row)) async for row in rows])
        return people

    async def write_answers(self, writes: Sequence[AnswerWrite]) -> Collection[str]:
        written: list[str] = []
        for some in batched(writes, BATCH_SIZE, strict=False):
            answer = await self._http.request(
                f"{ANSWERS}.batch",
                "POST",
                "$batch",
                headers={"Content-Type": CONTENT_TYPE, "Prefer": "odata.continue-on-error"},
                content=batch_body([_request(write) for write in some]),
            )
            outcomes = zip(some, answers_of_batch(answer, len(some)), strict=True)
            written += [write.answer_hash for write, one in outcomes if _is_done(write, one)]
        return written


def _appointments(window: TimeSpan) -> str:
    parties = f"{_PARTIES}($select=participationtypemask,addressused,_partyid_value)"
    condition = (
        "globalobjectid ne null and instancetypecode eq 0"
        f" and scheduledstart lt {wire_time(window.end_at)} and scheduledend gt {wire_time(window.start_at)}"
    )
    columns = "activityid,globalobjectid,scheduledstart,scheduledend"
    return f"appointments?$select={columns}&$expand={parties}&$filter={quote(condition, safe='()/,')}"


def _organizer(row: Mapping[str, Any]) -> str | None:
    parties = row.get(_PARTIES) or []
    ids = [one.get("_partyid_value") for one in parties if one.get("participationtypemask") == _ORGANIZER]
    return str(ids[0]).lower() if ids and ids[0] else None


def appointment_from_wire(row: Mapping[str, Any], mailbox_id: str) -> Appointment:
    """An appointment and the rows of those who are invited. Raises `InvalidPayload` for what is none."""
    try:
        return Appointment(
            appointment_id=guid(row["activityid"]),
            uid=uid_of(row["globalobjectid"]),
            mailbox_id=mailbox_id,
            span=TimeSpan(
                start_at=instant_from_wire(row["scheduledstart"]), end_at=instant_from_wire(row["scheduledend"])
            ),
            people={
                one["addressused"].lower(): f"{_SETS[one[_PARTY_TABLE]]}({guid(one['_partyid_value'])})"
                for one in row.get(_PARTIES) or []
                if one.get("addressused") and one.get("_partyid_value") and one.get(_PARTY_TABLE) in _SETS
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidPayload(f"An appointment cannot be read: {error!r}", operation="appointments.query") from error


_LONGEST_ADDRESS = 100
"""What the columns hold in which people's addresses are looked for."""

_PEOPLE = (
    (USERS, "internalemailaddress", "isdisabled eq false"),
    ("contacts", "emailaddress1", "statecode eq 0"),
)
"""Where an address is looked for, in this order."""

_IDS = {USERS: "systemuserid", "contacts": "contactid"}


def _people(entity_set: str, column: str, condition: str, addresses: Iterable[str]) -> str:
    texts = (address.replace("'", "''") for address in addresses)
    anybody = " or ".join(f"{column} eq '{text}'" for text in texts)
    return f"{entity_set}?$select={column}&$filter={quote(f'{condition} and ({anybody})', safe="()'")}"


def _reference(entity_set: str, row: Mapping[str, Any]) -> str:
    return f"{entity_set}({guid(row[_IDS[entity_set]])})"


def _only_ones(found: Sequence[tuple[str, str]]) -> dict[str, str]:
    """What is found under one address only: of several, nobody knows who was invited."""
    addresses = [address for address, _ in found]
    return {address: reference for address, reference in found if addresses.count(address) == 1}


def _request(write: AnswerWrite) -> BatchRequest:
    """An upsert by key. A row of somebody who is not invited any more is only changed: it says nobody's name anew."""
    read_on = {"bks_readon": wire_time(write.read_at)}
    path = f"{API_PATH}{ANSWERS}(bks_answerhash='{write.answer_hash}')"
    if write.attendee is None:
        body = {"bks_answer": AnswerChoice.NO_LONGER_INVITED.value, **read_on}
        return BatchRequest(method="PATCH", path=path, body=body, headers={"If-Match": "*"})
    binding = {"bks_Appointment@odata.bind": f"/appointments({guid(write.appointment_id)})"}
    if write.person:
        binding[_BINDINGS[write.person.partition("(")[0]]] = f"/{write.person}"
    return BatchRequest(method="PATCH", path=path, body={**_columns(write.attendee), **read_on, **binding})


def _columns(attendee: Attendee) -> dict[str, Any]:
    proposed, answered_at = attendee.proposed, attendee.answered_at
    return {
        "bks_name": queries.cut(attendee.name or attendee.address, NAME_LENGTH),
        "bks_address": queries.cut(attendee.address, ADDRESS_LENGTH),
        "bks_answer": AnswerChoice[attendee.answer.name].value,
        "bks_attendance": AttendanceChoice[attendee.attendance.name].value,
        "bks_answeredon": wire_time(whole_second_utc(answered_at)) if answered_at else None,
        "bks_proposedstart": wire_time(proposed.start_at) if proposed else None,
        "bks_proposedend": wire_time(proposed.end_at) if proposed else None,
    }


def _is_done(write: AnswerWrite, answer: Answer) -> bool:
    """Whether the row says it now. Raises `Throttled` when Dataverse took no more: the rest comes again."""
    if answer.is_success or (write.attendee is None and answer.status == 404):
        return True
    if answer.status == 429:
        raise Throttled("Dataverse asked us to slow down within a batch.", operation=f"{ANSWERS}.batch", status=429)
    logger.warning(
        "An answer to appointment %s was refused: %s",
        write.appointment_id,
        classify_dataverse_failure(f"{ANSWERS}.upsert", answer, None).reason,
        extra={"action": "answer-refused", "appointment_id": write.appointment_id},
    )
    return False
