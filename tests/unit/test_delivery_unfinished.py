"""The decision table of Dynamics to Outlook, where an earlier worker did not live to finish.

What it may have made is looked for; what it may have removed is in `test_delivery.py`.
"""

from dataclasses import replace
from typing import Any

import pytest

from sync.core.actions import EndEvent, LeaveAlone, Reason, RecordAgreement
from sync.core.delivery import Decision, decide_delivery
from sync.core.delivery_steps import ReadEvent, RemoveEvent, SearchEvent
from sync.core.mailboxes import QuarantineKind
from sync.core.reconcile import ABSENT, OnCancellation, Policy, Scope
from sync.core.sides import BookingPhase, Event, EventAddress, WorkOrder
from tests.unit.values import (
    AGREED,
    EVENT_ID,
    FAR_AHEAD,
    MAILBOX,
    OTHER_MAILBOX,
    a_booking,
    a_delivered_link,
    a_delivery,
    an_event,
)

HOME = EventAddress(MAILBOX, EVENT_ID)
MADE = EventAddress(OTHER_MAILBOX, "AAMkAGI2-made=")
LEFTOVER = EventAddress("third", "event")
NAMELESS = {"event_id": None, "event_hash": None}
KEEPING = Policy(on_cancellation=OnCancellation.KEEP)


def a_made_event(**different: Any) -> Event:
    """What the worker made for a technician whom the booking has left since."""
    return an_event(**{"mailbox_id": MADE.mailbox_id, "event_id": MADE.event_id, "etag": "made", **different})


@pytest.mark.parametrize(
    ("different", "decision"),
    [
        pytest.param({}, SearchEvent(OTHER_MAILBOX, is_elsewhere=True), id="it is looked for before anything else"),
        pytest.param(
            {"made": a_made_event()}, RemoveEvent(MADE, "made", Reason.DUPLICATE), id="and removed: nobody knows of it"
        ),
        pytest.param({"made": ABSENT}, RecordAgreement(AGREED), id="there is none"),
        pytest.param(
            {"made": a_made_event(type="seriesMaster")}, RecordAgreement(AGREED), id="a series is its owner's by now"
        ),
        pytest.param(
            {"made": a_made_event(), "link": a_delivered_link(leftover=MADE)},
            ReadEvent(MADE, is_elsewhere=True),
            id="one that is left over goes in its turn",
        ),
        pytest.param(
            {"made": ABSENT, "link": a_delivered_link(leftover=LEFTOVER)},
            ReadEvent(LEFTOVER, is_elsewhere=True),
            id="that there is none says nothing about what is left over",
        ),
        pytest.param(
            {"made": a_made_event(), "link": a_delivered_link(mailbox_id=MADE.mailbox_id, event_id=MADE.event_id)},
            SearchEvent(MAILBOX),
            id="one that is linked has been taken up since",
        ),
    ],
)
def test_what_was_made_for_somebody_who_has_lost_the_booking(different: dict[str, Any], decision: Decision) -> None:
    delivery = a_delivery(**{"begun_in": OTHER_MAILBOX, **different})
    assert decide_delivery(delivery, Policy()) == decision


LOOKED_FOR = SearchEvent(MAILBOX, is_elsewhere=True)
FOUND = SearchEvent(MAILBOX)
"""On the ordinary way, to be taken for the booking's."""


@pytest.mark.parametrize(
    ("columns", "different", "decision"),
    [
        pytest.param({}, {}, FOUND, id="it will be found"),
        pytest.param({"phase": BookingPhase.CANCELLED}, {}, LOOKED_FOR, id="unless the booking is cancelled"),
        pytest.param({"phase": BookingPhase.COMPLETED}, {}, LOOKED_FOR, id="or the work is done"),
        pytest.param({"span": FAR_AHEAD}, {}, LOOKED_FOR, id="or moved out of the window"),
        pytest.param({"is_user_enabled": False}, {}, LOOKED_FOR, id="or the user is disabled"),
        pytest.param({}, {"is_synced": False}, LOOKED_FOR, id="or the mailbox is not kept in sync any more"),
        pytest.param({}, {"quarantine": QuarantineKind.MICROSOFT_SYNC}, LOOKED_FOR, id="or Microsoft's sync came on"),
        pytest.param({"mailbox_id": None}, {}, LOOKED_FOR, id="or it is booked on no user"),
        pytest.param(
            {"span": FAR_AHEAD}, {"link": a_delivered_link()}, ReadEvent(HOME), id="an event there is looked at instead"
        ),
    ],
)
def test_what_was_made_where_the_booking_is(
    columns: dict[str, Any], different: dict[str, Any], decision: Decision
) -> None:
    booking = a_booking(**NAMELESS, **columns) if "link" not in different else a_booking(**columns)
    delivery = a_delivery(**{"booking": booking, "link": None, "begun_in": MAILBOX, "is_unfinished": True, **different})
    assert decide_delivery(delivery, KEEPING) == decision


def test_what_was_made_for_a_booking_that_left_the_scope_is_looked_for() -> None:
    in_scope = a_booking(**NAMELESS, work_order=WorkOrder(work_order_id="one"))
    delivery = a_delivery(booking=in_scope, link=None, begun_in=MAILBOX, is_unfinished=True)
    policy = Policy(scope=Scope.WORK_ORDERS)
    assert decide_delivery(delivery, policy) == FOUND
    assert decide_delivery(replace(delivery, booking=a_booking(**NAMELESS)), policy) == LOOKED_FOR


GONE = {"booking": ABSENT, "content": None, "link": None}


@pytest.mark.parametrize(
    ("different", "decision"),
    [
        pytest.param({}, LeaveAlone(Reason.GONE_UNREPORTED), id="that is merely not found proves nothing"),
        pytest.param(
            {"is_reported_deleted": True},
            SearchEvent(OTHER_MAILBOX, is_elsewhere=True),
            id="once its deletion is reported, it is looked for",
        ),
        pytest.param(
            {"is_reported_deleted": True, "made": a_made_event()},
            RemoveEvent(MADE, "made", Reason.DUPLICATE),
            id="and removed",
        ),
        pytest.param(
            {"is_reported_deleted": True, "made": ABSENT},
            EndEvent(Reason.BOOKING_ABSENT),
            id="until there is none",
        ),
    ],
)
def test_what_was_made_for_a_booking_that_does_not_exist(different: dict[str, Any], decision: Decision) -> None:
    assert decide_delivery(a_delivery(begun_in=OTHER_MAILBOX, **GONE, **different), Policy()) == decision
