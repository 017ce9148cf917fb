"""Work items tell where they belong."""

import pytest

from sync.core.work_items import WorkItem, mailbox_of
from tests.unit.values import MAILBOX, a_booking_change, a_change, a_task, a_work_order_change


@pytest.mark.parametrize(
    ("item", "mailbox_id"),
    [
        pytest.param(a_change(), MAILBOX, id="event"),
        pytest.param(a_task(), MAILBOX, id="task"),
        pytest.param(a_booking_change(mailbox_id=MAILBOX), MAILBOX, id="a booking with a mailbox"),
        pytest.param(a_booking_change(), "", id="a booking without"),
        pytest.param(a_work_order_change(), "", id="a work order"),
    ],
)
def test_the_mailbox_of_every_item_is_a_text(item: WorkItem, mailbox_id: str) -> None:
    assert mailbox_of(item) == mailbox_id
