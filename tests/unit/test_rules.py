"""What the customer chose, where it takes more than to look it up."""

import pytest

from sync.core.rules import Rules
from sync.core.subscriptions import SubscriptionPolicy
from tests.unit.values import MAILBOX, OTHER_MAILBOX, TEMPLATES


@pytest.mark.parametrize(
    ("mailboxes", "mailbox_id", "is_left_out"),
    [
        pytest.param((), MAILBOX, False, id="no list"),
        pytest.param((), None, False, id="no list, no mailbox"),
        pytest.param((MAILBOX,), MAILBOX, False, id="listed"),
        pytest.param((MAILBOX,), OTHER_MAILBOX, True, id="somebody else is listed"),
        pytest.param((MAILBOX,), None, True, id="no mailbox"),
    ],
)
def test_a_list_of_mailboxes_leaves_out_whom_it_does_not_name(
    mailboxes: tuple[str, ...], mailbox_id: str | None, is_left_out: bool
) -> None:
    subscriptions = SubscriptionPolicy(notification_url="https://app.example", lifecycle_url="https://app.example")
    rules = Rules(subscriptions=subscriptions, templates=TEMPLATES, mailboxes=mailboxes)
    assert rules.leaves_out(mailbox_id) is is_left_out
