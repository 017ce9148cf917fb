"""Brings attendees' answers into Dynamics: from the organizer's event into the table beside the appointment.

Two ways lead here. A notification about an event that is known to be an appointment's costs one read, and one request
for the rows that changed, however many answers came. And a sweep looks at every meeting within two days each time, at
the others every few hours: silent answers raise no notification, and most organizers' mailboxes are not subscribed.

An older read never overwrites a newer one: whoever writes holds the lease of the meeting's row.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sync.core.answers import (
    AFTERWARDS,
    AnswerCursor,
    AnswerWrite,
    Appointment,
    FollowedMeeting,
    Meeting,
    after_writing,
    is_event_of,
    span_to_look_at,
    strangers,
    uid_of,
    was_seen,
    writes_of,
)
from sync.core.errors import Busy, MailboxUnavailable, PreconditionFailed, StaleRead, SyncError, TransientError
from sync.core.journal import JournalEntry
from sync.core.rules import Rules
from sync.core.sides import TimeSpan
from sync.core.work_items import EventChange, Source
from sync.service.answer_ports import AnswerPorts
from sync.service.leases import BUSY_DELAY_SECONDS
from sync.service.outcome import Outcome
from sync.service.ports import Ports

logger = logging.getLogger(__name__)

MAILBOXES_AT_ONCE = 8
WRITTEN = "answers-written"
"""The journal's word."""


async def find_followed(item: EventChange, ports: Ports) -> FollowedMeeting | None:
    """What is remembered of the event when it is an appointment's; None for every other event. Asks no service."""
    if ports.answers is None:
        return None
    return await ports.answers.memory.find_meeting(item.mailbox_id, item.event_id)


async def read_answers(item: EventChange, followed: FollowedMeeting, ports: Ports, rules: Rules) -> Outcome:
    """Handle a change of an appointment's event. Raises `Busy` while another worker is at it."""
    assert ports.answers is not None
    if item.source is not Source.REPLAY and was_seen(followed, item.received_at, item.etags, rules.timing.clock_margin):
        return Outcome(action="dropped", reason="answers-were-read", event_id=item.event_id)
    run = _Run(ports.answers, ports, rules)
    followed = await run.claim(followed)
    try:
        meeting = await ports.answers.calendar.find_meeting(item.mailbox_id, item.event_id)
    except SyncError:
        await run.give_back([followed])
        raise
    if meeting is not None and _is_stale(meeting, followed, item):
        await run.give_back([followed])
        raise StaleRead(
            "Graph answered with an older state than it had promised.",
            operation="event.get",
            retry_after_seconds=rules.timing.recheck_delay.total_seconds(),
        )
    if meeting is None or not meeting.counts:
        await ports.answers.memory.delete_meeting(item.mailbox_id, item.event_id)
        reason = (
            "the event is gone" if meeting is None else "the event is no single meeting of its organizer's any more"
        )
        return Outcome(action="answers-ended", reason=reason, event_id=item.event_id)
    (written,) = await run.record([_Look(meeting, followed)])
    action = WRITTEN if written else "answers-unchanged"
    return Outcome(action=action, reason=_how_many(written, meeting), event_id=item.event_id)


def _how_many(written: int, meeting: Meeting) -> str:
    return f"{written} of {len(meeting.attendees)} attendees"


def _is_stale(meeting: Meeting, followed: FollowedMeeting, item: EventChange) -> bool:
    """Whether the state that was seen last is answered again, though a notification names another. Doubted once."""
    is_promised = bool(item.etags) and meeting.etag not in item.etags
    return is_promised and meeting.etag == followed.etag and item.rechecks == 0


async def sweep_answers(ports: Ports, rules: Rules, *, until: datetime) -> Counter[str]:
    """Look at the meetings that are due, organizer by organizer, until that time; answers what came of it.

    Raises `TransientError` when Dataverse does not list the appointments; the next run does.
    """
    tally: Counter[str] = Counter()
    if ports.answers is None:
        return tally
    now = ports.clock()
    cursor = await ports.answers.memory.find_answer_cursor()
    window, is_far = span_to_look_at(cursor, now, rules.window.future)
    organized: dict[str, list[Appointment]] = {}
    async for appointment in ports.answers.table.list_appointments(window):
        organized.setdefault(appointment.mailbox_id, []).append(appointment)
    waiting = iter(organized.items())

    async def work() -> None:
        for mailbox_id, appointments in waiting:
            if ports.clock() >= until or tally["outages"]:
                tally["left"] += len(appointments)
            else:
                tally.update(await _look_at_mailbox(mailbox_id, appointments, ports, rules))

    await asyncio.gather(*(work() for _ in range(MAILBOXES_AT_ONCE)))
    if is_far and not tally["left"] and not tally["failed"]:
        await _forget_ended(ports.answers, now)
        await ports.answers.memory.save_answer_cursor(AnswerCursor(looked_far_at=now))
    logger.log(
        logging.WARNING if tally["left"] else logging.INFO,
        "Looked at %d meetings of %d organizers for answers: %d written, %d mailboxes out of reach, %d meetings left.",
        tally["meetings"],
        len(organized),
        tally["written"],
        tally["unreachable"],
        tally["left"],
        extra={"action": "answers-swept", **tally},
    )
    return tally


async def _forget_ended(answers: AnswerPorts, now: datetime) -> None:
    """Drop what is no longer looked at, so that the table does not grow for ever."""
    async for one in answers.memory.list_meetings():
        if one.ends_at < now - AFTERWARDS:
            await answers.memory.delete_meeting(one.mailbox_id, one.event_id)


async def _look_at_mailbox(
    mailbox_id: str, appointments: Sequence[Appointment], ports: Ports, rules: Rules
) -> Counter[str]:
    """One organizer's meetings. What goes wrong with the mailbox concerns it alone; the next sweep tries again."""
    assert ports.answers is not None
    try:
        return await _Run(ports.answers, ports, rules).sweep(mailbox_id, appointments)
    except MailboxUnavailable as error:
        logger.warning(
            "The answers to %d meetings of %s cannot be read: %s",
            len(appointments),
            mailbox_id,
            error.reason,
            extra={"action": "answers-unreachable", "mailbox_id": mailbox_id},
        )
        return Counter(unreachable=1)
    except SyncError as error:
        logger.warning(
            "The answers to the meetings of %s are left to the next sweep: %s",
            mailbox_id,
            error,
            extra={"action": "answers-failed", "mailbox_id": mailbox_id},
        )
        # An error of Graph's names the mailbox. Dataverse is the same for all: asking on would only add to its load.
        is_outage = isinstance(error, TransientError) and not error.mailbox_id
        return Counter(failed=1, outages=int(is_outage))


@dataclass(frozen=True, slots=True)
class _Look:
    """A meeting as it was read, what is remembered of it, and the rows of people among the appointment's parties."""

    meeting: Meeting
    followed: FollowedMeeting
    people: Mapping[str, str] = field(default_factory=dict)


class _Run:
    """One read of an organizer's mailbox, and what comes of it."""

    def __init__(self, answers: AnswerPorts, ports: Ports, rules: Rules) -> None:
        self._answers = answers
        self._journal = ports.journal
        self._clock = ports.clock
        self._new_id = ports.new_id
        self._lease: timedelta = rules.timing.lease
        self._read_at = ports.clock()

    async def claim(self, followed: FollowedMeeting) -> FollowedMeeting:
        """Take the lease. Raises `Busy` when somebody has it, or was quicker."""
        now = self._clock()
        is_taken = followed.leased_until is not None and followed.leased_until > now
        try:
            if not is_taken:
                return await self._answers.memory.save_meeting(replace(followed, leased_until=now + self._lease))
        except PreconditionFailed:
            pass
        raise Busy("Another worker is at this meeting.", retry_after_seconds=BUSY_DELAY_SECONDS)

    async def give_back(self, claimed: Iterable[FollowedMeeting]) -> None:
        """Free meetings for the next attempt. Should that fail, the lease expires by itself."""
        for followed in claimed:
            with suppress(SyncError):
                await self._answers.memory.save_meeting(replace(followed, leased_until=None))

    async def sweep(self, mailbox_id: str, appointments: Sequence[Appointment]) -> Counter[str]:
        """Look at all of an organizer's meetings with one read of the calendar, and write what changed at once."""
        spans = [appointment.span for appointment in appointments]
        window = TimeSpan(start_at=min(one.start_at for one in spans), end_at=max(one.end_at for one in spans))
        meetings = await self._answers.calendar.list_meetings(mailbox_id, window)
        by_uid = {uid_of(meeting.uid): meeting for meeting in meetings if meeting.counts}
        # Read after the calendar, so that whatever a quicker worker has written meanwhile shows.
        known = {one.appointment_id: one async for one in self._answers.memory.list_meetings(mailbox_id)}
        looks = []
        for appointment in appointments:
            followed = known.get(appointment.appointment_id)
            meeting = by_uid.get(appointment.uid) or await self._find_moved(appointment, followed)
            if meeting is None or not is_event_of(meeting, appointment):
                continue
            followed = await self._following(meeting, appointment, followed)
            if followed.read_at is None or followed.read_at <= self._read_at:
                looks.append(_Look(meeting, followed, appointment.people))
        return Counter(meetings=len(looks), written=await self._record_claimed(looks))

    async def _find_moved(self, appointment: Appointment, followed: FollowedMeeting | None) -> Meeting | None:
        """The event that was the appointment's before, when it is not where Dataverse says: somebody moved it.

        One that is gone is not looked for again.
        """
        if followed is None:
            return None
        meeting = await self._answers.calendar.find_meeting(appointment.mailbox_id, followed.event_id)
        if meeting is None:
            await self._answers.memory.delete_meeting(followed.mailbox_id, followed.event_id)
        return meeting

    async def _following(
        self, meeting: Meeting, appointment: Appointment, known: FollowedMeeting | None
    ) -> FollowedMeeting:
        """What is remembered of the meeting, or the beginning of it. What is written stays so under another event."""
        if known is not None and known.event_id == meeting.event_id:
            return known
        if known is not None:
            await self._answers.memory.delete_meeting(known.mailbox_id, known.event_id)
        return FollowedMeeting(
            mailbox_id=meeting.mailbox_id,
            event_id=meeting.event_id,
            appointment_id=appointment.appointment_id,
            ends_at=meeting.span.end_at,
            written=known.written if known else {},
            people=known.people if known else {},
        )

    async def _record_claimed(self, looks: Sequence[_Look]) -> int:
        """Record those looks that show something new, and of which nobody else has the lease; answers how many rows."""
        claimed = []
        for look in looks:
            is_news = look.followed.version is None or look.followed.etag != look.meeting.etag
            if not is_news and not writes_of(look.meeting, look.followed, look.people, self._read_at):
                continue
            try:
                claimed.append(replace(look, followed=await self.claim(look.followed)))
            except Busy:
                continue  # It reads what we have read, or later.
        counts = await self.record(claimed)
        for look, count in zip(claimed, counts, strict=True):
            if count:
                await self._tell(look.meeting, count)
        return sum(counts)

    async def _tell(self, meeting: Meeting, count: int) -> None:
        """What a notification's item would have left in the journal."""
        entry = JournalEntry(
            mailbox_id=meeting.mailbox_id,
            correlation_id=self._new_id(),
            at=self._clock(),
            received_at=self._read_at,
            source=Source.SWEEP,
            action=WRITTEN,
            reason=_how_many(count, meeting),
            event_id=meeting.event_id,
        )
        await self._journal.write(entry)

    async def record(self, claimed: Sequence[_Look]) -> list[int]:
        """Write what changed in one request, remember it and give the leases back; answers how many rows of each."""
        try:
            writes = await self._writes(claimed)
            everything = [write for of_one in writes for write in of_one]
            written = set(await self._answers.table.write_answers(everything)) if everything else set()
        except SyncError:
            await self.give_back(look.followed for look in claimed)
            raise
        counts = []
        for look, of_one in zip(claimed, writes, strict=True):
            done = {write.answer_hash: write for write in of_one if write.answer_hash in written}
            is_complete = len(done) == len(of_one)
            remembered = after_writing(look.followed, look.meeting, done, self._read_at, is_complete=is_complete)
            await self._answers.memory.save_meeting(remembered)
            counts.append(len(done))
        return counts

    async def _writes(self, claimed: Sequence[_Look]) -> list[list[AnswerWrite]]:
        """The rows to write of each; people whom nobody knows yet are looked up for all of them together."""
        unknown = {one for look in claimed for one in strangers(look.meeting, look.followed, look.people)}
        found = await self._answers.table.find_people(unknown) if unknown else {}
        return [writes_of(look.meeting, look.followed, {**found, **look.people}, self._read_at) for look in claimed]
