"""Names that the app and the simulators must spell alike, though neither imports the other's."""

import pytest

from local import sample
from local.dataverse.seed import event_hash as event_hash_of_the_sample
from local.graph.seed import BOOKING_ID_FIELD
from sync.adapters import graph_wire
from sync.core.sides import event_hash
from tests.unit.values import EVENT_ID, MAILBOX, OTHER_MAILBOX


def test_the_sample_company_marks_its_events_as_the_app_does() -> None:
    """Else the app would take the whole sample for private events."""
    assert sample.EXTENSION_NAME == graph_wire.EXTENSION_NAME
    assert BOOKING_ID_FIELD == graph_wire.EXTENSION_BOOKING_ID
    assert sample.BOOKING_ID_PROPERTY == graph_wire.BOOKING_ID_PROPERTY


@pytest.mark.parametrize("mailbox_id", [MAILBOX, OTHER_MAILBOX])
@pytest.mark.parametrize("event_id", [EVENT_ID, EVENT_ID.lower(), sample.event_id("any")])
def test_the_sample_bookings_carry_the_digest_that_the_app_looks_for(mailbox_id: str, event_id: str) -> None:
    assert event_hash_of_the_sample(mailbox_id, event_id) == event_hash(mailbox_id, event_id)
