"""What Graph and Dataverse say of meetings, as our values, and a batch as both sides write it."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from sync.adapters.dataverse_answers import appointment_from_wire
from sync.adapters.dataverse_batch import CONTENT_TYPE, BatchRequest, answers_of_batch, batch_body
from sync.adapters.graph_answers import meeting_from_wire
from sync.adapters.transport import Answer as HttpAnswer
from sync.core.answers import Answer, Attendance
from sync.core.errors import InvalidPayload

MAILBOX = "11111111-1111-4111-8111-111111111111"
APPOINTMENT_ID, CONTACT_ID = "aaaaaaaa-1111-4111-8111-111111111111", "cccccccc-1111-4111-8111-111111111111"
TIMES = {
    "start": {"dateTime": "2026-11-19T10:00:00.0000000", "timeZone": "UTC"},
    "end": {"dateTime": "2026-11-19T11:00:00.0000000", "timeZone": "UTC"},
}
EVENT: dict[str, Any] = {
    "@odata.etag": 'W/"key"',
    "id": "event",
    "iCalUId": "uid",
    "type": "singleInstance",
    "isOrganizer": True,
    **TIMES,
}


APPOINTMENT: dict[str, Any] = {
    "activityid": APPOINTMENT_ID,
    "globalobjectid": "uid",
    "scheduledstart": "2026-11-19T10:00:00Z",
    "scheduledend": "2026-11-19T11:00:00Z",
}


def attendee(response: str, **others: Any) -> dict[str, Any]:
    status = {"response": response, "time": "2026-11-18T09:00:00Z"}
    return {"type": "required", "status": status, "emailAddress": {"name": "A", "address": "a@x.example"}, **others}


def read(*attendees: dict[str, Any], **others: Any) -> Any:
    return meeting_from_wire(MAILBOX, {**EVENT, **others, "attendees": list(attendees)})


class TestMeetings:
    @pytest.mark.parametrize(
        ("response", "answer"),
        [
            ("accepted", Answer.ACCEPTED),
            ("tentativelyAccepted", Answer.TENTATIVE),
            ("declined", Answer.DECLINED),
            ("none", Answer.NONE),
            ("notResponded", Answer.NONE),
            ("somethingNew", Answer.NONE),
        ],
    )
    def test_each_response_has_its_answer(self, response: str, answer: Answer) -> None:
        (one,) = read(attendee(response)).attendees
        assert one.answer is answer
        assert one.answered_at == (datetime(2026, 11, 18, 9, tzinfo=UTC) if answer is not Answer.NONE else None)

    def test_an_unset_time_is_none(self) -> None:
        status = {"response": "accepted", "time": "0001-01-01T00:00:00Z"}
        assert read(attendee("accepted", status=status)).attendees[0].answered_at is None

    def test_a_proposal_is_a_span(self) -> None:
        (one,) = read(attendee("tentativelyAccepted", proposedNewTime=TIMES)).attendees
        assert one.proposed is not None
        assert one.proposed.start_at == datetime(2026, 11, 19, 10, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("kind", "attendance"),
        [("optional", Attendance.OPTIONAL), ("resource", Attendance.RESOURCE), ("new", Attendance.REQUIRED)],
    )
    def test_each_kind_has_its_attendance(self, kind: str, attendance: Attendance) -> None:
        assert read(attendee("none", type=kind)).attendees[0].attendance is attendance

    def test_the_organizer_and_whoever_has_no_address_are_nobodys_guests(self) -> None:
        assert read(attendee("organizer"), attendee("accepted", emailAddress={"name": "Room"})).attendees == ()

    @pytest.mark.parametrize("others", [{"start": None}, {"end": {"dateTime": "x"}}, {"attendees": ["somebody"]}])
    def test_what_cannot_be_read_says_whose_it_is(self, others: dict[str, Any]) -> None:
        with pytest.raises(InvalidPayload) as failure:
            meeting_from_wire(MAILBOX, {**EVENT, **others})
        assert failure.value.mailbox_id == MAILBOX


class TestAppointments:
    def test_contacts_and_users_are_people_and_nothing_else_is(self) -> None:
        kind = "_partyid_value@Microsoft.Dynamics.CRM.lookuplogicalname"
        parties = [
            {"addressused": "Y@x.example", "_partyid_value": CONTACT_ID, kind: "contact"},
            {"addressused": "q@x.example", "_partyid_value": CONTACT_ID, kind: "queue"},
            {"addressused": "n@x.example", "_partyid_value": None},
            {"addressused": None, "_partyid_value": CONTACT_ID, kind: "contact"},
        ]
        found = appointment_from_wire({**APPOINTMENT, "appointment_activity_parties": parties}, MAILBOX)
        assert found.people == {"y@x.example": f"contacts({CONTACT_ID})"}

    @pytest.mark.parametrize("name", ["activityid", "globalobjectid", "scheduledstart", "scheduledend"])
    def test_one_without_times_or_ids_is_refused(self, name: str) -> None:
        with pytest.raises(InvalidPayload):
            appointment_from_wire({**APPOINTMENT, name: None}, MAILBOX)


class TestBatches:
    def test_each_request_has_its_own_part_and_lines_end_as_multipart_wants(self) -> None:
        request = BatchRequest(method="PATCH", path="/api/data/v9.2/x(1)", body={"a": "ä"}, headers={"If-Match": "*"})
        text = batch_body([request, request]).decode()
        boundary = CONTENT_TYPE.partition('"')[2].rstrip('"')
        assert text.count(f"--{boundary}\r\n") == 2
        assert text.endswith(f"--{boundary}--\r\n")
        assert (
            "PATCH /api/data/v9.2/x(1) HTTP/1.1\r\nContent-Type: application/json; type=entry\r\nIf-Match: *\r\n"
            in text
        )
        assert "\n" not in text.replace("\r\n", "")

    def answer(self, *parts: str, boundary: str = "batchresponse_1") -> HttpAnswer:
        text = "".join(f"--{boundary}\r\nContent-Type: application/http\r\n\r\n{part}\r\n" for part in parts)
        headers = httpx.Headers({"Content-Type": f"multipart/mixed; boundary={boundary}"})
        return HttpAnswer(status=200, headers=headers, body=f"{text}--{boundary}--\r\n".encode())

    def test_each_answer_has_its_own_status_headers_and_body(self) -> None:
        refusal = 'HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\n\r\n{"error":{"code":"0x80072322"}}'
        first, second = answers_of_batch(
            self.answer("HTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\n\r\n", refusal), 2
        )
        assert (first.status, first.body) == (204, b"")
        assert (second.status, second.headers["retry-after"]) == (429, "5")
        assert second.json() == {"error": {"code": "0x80072322"}}

    def test_an_answer_without_as_many_parts_is_not_believed(self) -> None:
        with pytest.raises(InvalidPayload):
            answers_of_batch(self.answer("HTTP/1.1 204 No Content\r\n\r\n"), 2)
        with pytest.raises(InvalidPayload):
            answers_of_batch(HttpAnswer(status=200, headers=httpx.Headers(), body=b"{}"), 1)
        with pytest.raises(InvalidPayload):
            answers_of_batch(self.answer("nonsense"), 1)
