"""What is remembered of a pair knows its own event, and forgets the oldest first."""

import pytest

from sync.core.memory import REMEMBERED_ETAGS, newest_etags
from sync.core.sides import EventAddress
from tests.unit.values import COPY_ID, EVENT_ID, MAILBOX, OTHER_MAILBOX, a_link, an_event


def test_an_event_and_its_link_have_one_address() -> None:
    assert an_event().address == a_link().address == EventAddress(MAILBOX, EVENT_ID)


@pytest.mark.parametrize(
    ("mailbox_id", "event_id", "is_of"),
    [
        pytest.param(MAILBOX, EVENT_ID, True, id="its own event"),
        pytest.param(OTHER_MAILBOX, EVENT_ID, False, id="the same id in another mailbox"),
        pytest.param(MAILBOX, COPY_ID, False, id="another event of the mailbox"),
        pytest.param(MAILBOX, EVENT_ID.lower(), False, id="an id in another case"),
    ],
)
def test_a_link_is_of_one_event_of_one_mailbox(mailbox_id: str, event_id: str, is_of: bool) -> None:
    assert a_link().is_of(mailbox_id, event_id) is is_of


def test_etags_are_remembered_newest_last_and_once() -> None:
    earlier = ("one", "two")
    assert newest_etags(earlier, "three") == ("one", "two", "three")
    assert newest_etags(earlier, "one", "one") == ("two", "one")
    assert newest_etags(earlier) == earlier


def test_the_oldest_etags_are_forgotten_first() -> None:
    old = tuple(str(number) for number in range(REMEMBERED_ETAGS))
    assert newest_etags(old, "new") == (*old[1:], "new")
