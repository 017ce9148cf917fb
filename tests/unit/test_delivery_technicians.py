"""The decision table of Dynamics to Outlook, where a booking went to another technician or one out of reach."""

from dataclasses import replace
from typing import Any

import pytest

from sync.core.actions import LeaveAlone, Reason
from sync.core.delivery import Decision, decide_delivery
from sync.core.delivery_state import UNDELIVERED
from sync.core.delivery_steps import (
    AdoptEvent,
    CreateEvent,
    MarkUndelivered,
    ReadEvent,
    RemoveEvent,
    SearchEvent,
)
from sync.core.mailboxes import QuarantineKind
from sync.core.memory import Link
from sync.core.reconcile import ABSENT, Policy
from sync.core.sides import BookingPhase, EventAddress, event_hash
from tests.unit.values import (
    AGREED,
    CONTENT,
    EVENT_ID,
    FAR_AHEAD,
    MAILBOX,
    MOVED,
    OTHER_MAILBOX,
    a_booking,
    a_copy,
    a_delivered_link,
    a_delivery,
    an_event,
)

ETAG = a_booking().etag
EVENT_ETAG = an_event().etag
HOME = EventAddress(MAILBOX, EVENT_ID)
FORMER = EventAddress(OTHER_MAILBOX, "AAMkAGI2-former=")
NAMELESS = {"event_id": None, "event_hash": None}
OF_FORMER = {"event_id": FORMER.event_id, "event_hash": event_hash(*FORMER)}
"""The columns of a booking that has come over from a former technician."""

AT_FORMER = a_delivered_link(mailbox_id=FORMER.mailbox_id, event_id=FORMER.event_id)


@pytest.mark.parametrize(
    ("different", "decision"),
    [
        pytest.param(
            {},
            CreateEvent(MAILBOX, AGREED, CONTENT, 2, Reason.REASSIGNED, leftover=FORMER),
            id="first an event in the new calendar; the old one is left over",
        ),
        pytest.param({"is_unfinished": True}, SearchEvent(MAILBOX), id="a worker that did not finish may have made it"),
        pytest.param(
            {"link": replace(AT_FORMER, generation=2)},
            SearchEvent(MAILBOX),
            id="a booking that went back and forth may have an event here still",
        ),
        pytest.param(
            {"booking": a_booking()}, SearchEvent(MAILBOX), id="the booking names one here: somebody was quicker"
        ),
        pytest.param(
            {"link": replace(AT_FORMER, generation=2), "found": a_copy()},
            AdoptEvent(a_copy(), AGREED, 3, Reason.EVENT_FOUND, leftover=FORMER),
            id="one that is here is adopted",
        ),
        pytest.param(
            {"link": replace(AT_FORMER, generation=2), "found": ABSENT},
            CreateEvent(MAILBOX, AGREED, CONTENT, 3, Reason.REASSIGNED, leftover=FORMER),
            id="there is none any more: one is made",
        ),
        pytest.param(
            {"link": replace(AT_FORMER, leftover=EventAddress("third", "event"))},
            ReadEvent(EventAddress("third", "event"), is_elsewhere=True),
            id="what is left over from a journey before goes first: a link can hold one",
        ),
        pytest.param(
            {"link": replace(AT_FORMER, leftover=HOME, generation=2)},
            SearchEvent(MAILBOX),
            id="but not where the booking returns to",
        ),
        pytest.param(
            {"booking": a_booking(span=FAR_AHEAD, **OF_FORMER)},
            ReadEvent(FORMER),
            id="outside the window: the old one goes, the new one comes in time",
        ),
        pytest.param(
            {"booking": a_booking(phase=BookingPhase.COMPLETED, **OF_FORMER), "event": an_event()},
            RemoveEvent(FORMER, EVENT_ETAG, Reason.BOOKING_COMPLETED, clears=ETAG),
            id="finished work: the old one goes, and there is no new one",
        ),
    ],
)
def test_a_booking_that_went_to_somebody_else(different: dict[str, Any], decision: Decision) -> None:
    delivery = a_delivery(**{"booking": a_booking(**OF_FORMER), "link": AT_FORMER, **different})
    assert decide_delivery(delivery, Policy()) == decision


def test_finished_work_that_came_back_leaves_nothing_behind() -> None:
    booking = a_booking(phase=BookingPhase.COMPLETED)
    delivery = a_delivery(booking=booking, link=replace(AT_FORMER, leftover=HOME))
    assert decide_delivery(delivery, Policy()) == ReadEvent(HOME, is_elsewhere=True)


# Calendars that are not written


QUARANTINED = {"quarantine": QuarantineKind.UNREACHABLE}
SYNCED_BY_MICROSOFT = {"quarantine": QuarantineKind.MICROSOFT_SYNC}
DISABLED = {"is_user_enabled": False}


@pytest.mark.parametrize(
    ("columns", "different", "reason"),
    [
        pytest.param(DISABLED, {}, Reason.USER_DISABLED, id="the user is disabled"),
        pytest.param({}, {"is_synced": False}, Reason.NOT_SYNCED, id="the mailbox is not kept in sync"),
        pytest.param({}, QUARANTINED, Reason.UNREACHABLE, id="the mailbox cannot be reached"),
        pytest.param({}, SYNCED_BY_MICROSOFT, Reason.MICROSOFT_SYNC, id="Microsoft's own sync is at work there"),
    ],
)
@pytest.mark.parametrize(
    ("state", "link"),
    [
        pytest.param({"span": MOVED}, a_delivered_link(), id="with an event"),
        pytest.param({}, None, id="with an event that we know nothing about"),
        pytest.param({**NAMELESS, "phase": BookingPhase.COMPLETED}, None, id="that would get none"),
        pytest.param({**NAMELESS, "span": FAR_AHEAD}, None, id="that would get none yet"),
    ],
)
def test_nothing_is_written_there(
    columns: dict[str, Any], different: dict[str, Any], reason: Reason, state: dict[str, Any], link: Link | None
) -> None:
    delivery = a_delivery(booking=a_booking(**columns, **state), link=link, **different)
    assert decide_delivery(delivery, Policy()) == LeaveAlone(reason)


@pytest.mark.parametrize(
    ("columns", "different", "reason", "is_told"),
    [
        pytest.param(DISABLED, {}, Reason.USER_DISABLED, False, id="not of a disabled user, who was chosen"),
        pytest.param({}, {"is_synced": False}, Reason.NOT_SYNCED, False, id="not of a mailbox that was left out"),
        pytest.param({}, QUARANTINED, Reason.UNREACHABLE, True, id="of a mailbox that cannot be reached"),
        pytest.param({}, SYNCED_BY_MICROSOFT, Reason.MICROSOFT_SYNC, True, id="of one that Microsoft's sync handles"),
    ],
)
def test_the_dispatcher_is_told_once(
    columns: dict[str, Any], different: dict[str, Any], reason: Reason, is_told: bool
) -> None:
    booking = a_booking(**columns, **NAMELESS)
    told = MarkUndelivered(ETAG, UNDELIVERED[reason], reason) if is_told else LeaveAlone(reason)
    assert decide_delivery(a_delivery(booking=booking, link=None, **different), Policy()) == told
    again = replace(booking, undelivered=UNDELIVERED[reason])
    assert decide_delivery(a_delivery(booking=again, link=None, **different), Policy()) == LeaveAlone(reason)
