"""A tenant that reads attendees' answers: people's meetings on the simulators, and what Dynamics then says of them."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import httpx

from local.dataverse.appointments import OPTIONAL, ORGANIZER, REQUIRED, SCHEDULED, invite
from local.dataverse.schema import Value
from local.dataverse.world import Author
from local.graph.attendees import without_answers
from local.meetings import contact_address
from local.sample import Technician, guid
from local.wiring import Wiring
from sync.core.answer_table import AnswerChoice
from sync.service.answering import sweep_answers
from sync.service.ports import Ports
from tests.answer_fakes import FakeMeetingMemory
from tests.hosted_app import SECRET, START
from tests.tenant import Tenant

YVONNE, SVEN = contact_address("Yvonne McKay"), contact_address("Sven Mortensen")
STRANGER = "ines@architects.example"
SOON = START + timedelta(hours=30)
LATER = START + timedelta(days=10)
ANSWER_WRITE = "bks_attendeeanswers.upsert"
"""How a row of answers within a batch is counted among the calls."""


@dataclass(frozen=True, slots=True)
class Held:
    """A meeting as both services have it."""

    organizer: Technician
    event_id: str
    appointment_id: str


class AnsweringTenant(Tenant):
    """A tenant in which reading answers is switched on."""

    def __init__(self, **options: Any) -> None:
        self.memory = FakeMeetingMemory()
        super().__init__(**options)
        self.rules = replace(self.rules, reads_answers=True)

    def build_ports(self) -> Ports:
        wiring = Wiring(
            graph=self._graph_transport,
            dataverse=self._dataverse_transport,
            secret=SECRET,
            clock=self.clock.now,
            sleep=self.sleep,
            random=self._random,
        )
        return replace(super().build_ports(), answers=wiring.open_answers(wiring.open_calendar(), self.memory))

    async def sweep_answers(self) -> Counter[str]:
        return await sweep_answers(self.ports, self.rules, until=self.clock.now() + timedelta(minutes=8))

    async def hold(
        self,
        *required: str,
        optional: tuple[str, ...] = (),
        start_at: datetime = SOON,
        organizer: Technician | None = None,
        parties: bool = True,
        **fields: Any,
    ) -> Held:
        """Somebody invites people in Outlook, and Microsoft's sync makes an appointment of it."""
        organizer = organizer or self.technician
        end_at = start_at + timedelta(hours=1)
        guests = [(address, "required") for address in required] + [(address, "optional") for address in optional]
        body = {
            "subject": "Review",
            "start": {"dateTime": f"{start_at:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
            "end": {"dateTime": f"{end_at:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"},
            "attendees": [{"type": kind, "emailAddress": {"address": address}} for address, kind in guests],
            **fields,
        }
        answer = await self.person.post(f"/users/{organizer.mailbox_id}/events", json=body)
        assert answer.status_code == 201, answer.text
        event = answer.json()
        held = Held(organizer, event["id"], guid(f"appointment:{event['id']}"))
        self.track(held, event["iCalUId"], start_at, guests if parties else [])
        return held

    def track(self, held: Held, uid: str, start_at: datetime, guests: list[tuple[str, str]], **values: Any) -> None:
        """The appointment, with its organizer and those of the guests who are contacts or users."""
        world, author = self.dataverse.world, Author(user_id=held.organizer.system_user_id)
        row: dict[str, Value] = {
            "subject": "Review",
            "scheduledstart": start_at,
            "scheduledend": start_at + timedelta(hours=1),
            "statecode": SCHEDULED,
            "globalobjectid": uid,
        }
        world.create("appointment", {**row, **values}, author, held.appointment_id)
        invite(world, author, held.appointment_id, ORGANIZER, party_id=held.organizer.system_user_id)
        contacts = {str(one.values["emailaddress1"]): one.row_id for one in world.rows("contact").values()}
        for address, kind in guests:
            mask = OPTIONAL if kind == "optional" else REQUIRED
            invite(world, author, held.appointment_id, mask, party_id=contacts.get(address), address=address)

    async def answer(self, held: Held, address: str, response: str) -> None:
        """An attendee answers, and Exchange notes it in the organizer's copy."""
        body = {
            "mailbox_id": held.organizer.mailbox_id,
            "event_id": held.event_id,
            "address": address,
            "response": response,
        }
        answer = await self.graph_control.post("/answer-event", json=body)
        assert answer.status_code == 200, answer.text

    def answer_silently(self, held: Held, address: str, response: str) -> None:
        """The same, without a response being sent: nobody is notified."""
        world = self.graph.world
        listeners, world.on_change[:] = list(world.on_change), []
        mailbox = world.mailboxes[held.organizer.mailbox_id]
        world.answer(mailbox.versions[held.event_id][-1], address, response)
        world.on_change[:] = listeners

    async def copy_to(self, held: Held, owner: Technician, *, is_organizer: bool) -> Held:
        """The meeting as another mailbox holds it: under the same id, and without anybody's answer."""
        world = self.graph.world
        original = world.mailboxes[held.organizer.mailbox_id].versions[held.event_id][-1]
        mailbox = world.mailboxes[owner.mailbox_id]
        fields = {"start_at": original.start_at, "end_at": original.end_at, "is_organizer": is_organizer}
        properties = {**original.properties, "attendees": without_answers(original.attendees)}
        uid = str(self.dataverse.world.get("appointment", held.appointment_id).values["globalobjectid"])
        copy = world.create(mailbox, mailbox.default_calendar, {**fields, "ical_uid": uid, "properties": properties})
        return Held(owner, copy.immutable_id, held.appointment_id)

    async def change_event(self, held: Held, **body: Any) -> httpx.Response:
        answer = await self.person.patch(f"/users/{held.organizer.mailbox_id}/events/{held.event_id}", json=body)
        assert answer.status_code == 200, answer.text
        return answer

    async def close(self, held: Held, state: int) -> None:
        """Somebody completes or cancels the appointment in Dynamics."""
        answer = await self.dispatcher.patch(f"/appointments({held.appointment_id})", json={"statecode": state})
        assert answer.status_code == 204, answer.text

    def rows(self, held: Held) -> dict[str, dict[str, Any]]:
        """What Dynamics says of the answers, by address."""
        rows = self.dataverse.world.rows("bks_attendeeanswer").values()
        return {
            str(row.values["bks_address"]): dict(row.values)
            for row in rows
            if row.values["bks_appointment"] == held.appointment_id
        }

    def said(self, held: Held) -> dict[str, AnswerChoice]:
        return {address: AnswerChoice(row["bks_answer"]) for address, row in self.rows(held).items()}


async def followed(tenant: AnsweringTenant, *guests: str, **options: Any) -> Held:
    """A meeting whose guests a sweep has seen, with what that cost forgotten."""
    held = await tenant.hold(*(guests or (YVONNE, SVEN)), **options)
    await tenant.settle()
    await tenant.sweep_answers()
    tenant.forget_costs()
    return held
