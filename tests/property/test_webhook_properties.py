"""What holds for every body that can be posted as a Dataverse webhook."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.core.errors import RejectedRequest
from sync.core.webhooks import accept_booking_webhook, authenticate_webhook
from sync.core.work import item_from_text, item_to_text
from sync.core.work_items import BookingChange, WorkItem, WorkOrderChange
from tests.property.values import NOW, damaged, json_values
from tests.unit.samples import sample

CONTEXTS = [
    sample("dataverse-webhooks", name)
    for name in ("booking-created", "booking-updated", "booking-updated-cut", "booking-deleted", "work-order-updated")
]


def work_in(document: Any) -> list[WorkItem]:
    """The work in whatever JSON, none when it is refused; anything raised but a refusal fails the test."""
    try:
        accepted = accept_booking_webhook(json.dumps(document).encode(), now=NOW, new_id=lambda: "any")
    except RejectedRequest:
        return []
    assert len(accepted.items) + sum(accepted.dropped.values()) == accepted.received == 1
    return list(accepted.items)


@given(st.sampled_from(CONTEXTS).flatmap(damaged))
def test_a_damaged_context_is_refused_or_dropped_or_work_that_can_be_queued(context: Any) -> None:
    for item in work_in(context):
        assert item_from_text(item_to_text(item)) == item


def test_the_search_among_damaged_contexts_finds_work() -> None:
    """Guards the property above against damage that is always too great."""
    found: set[type] = set()

    @given(st.sampled_from(CONTEXTS).flatmap(damaged))
    def look(context: Any) -> None:
        found.update(map(type, work_in(context)))

    look()
    assert found == {BookingChange, WorkOrderChange}


@given(
    st.fixed_dictionaries(
        {"MessageName": st.text(), "PrimaryEntityName": st.text(), "PrimaryEntityId": st.text() | st.uuids().map(str)},
        optional={"PreEntityImages": json_values, "PostEntityImages": json_values},
    )
)
def test_any_context_about_another_table_is_dropped(context: dict[str, Any]) -> None:
    assert work_in(context) == []


@given(json_values)
def test_any_images_are_looked_through(images: Any) -> None:
    """The change stands, whatever its images hold."""
    context = sample("dataverse-webhooks", "booking-updated-cut")
    for message in ("Create", "Update", "Delete"):
        told = {"MessageName": message, "PreEntityImages": images, "PostEntityImages": images}
        assert len(work_in(context | told)) == 1


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_in_words(body: bytes) -> None:
    with pytest.raises(RejectedRequest):
        accept_booking_webhook(body, now=NOW, new_id=lambda: "any")


@given(st.text(max_size=40), st.lists(st.text(min_size=1, max_size=40), max_size=2))
def test_a_secret_is_accepted_exactly_when_it_is_one_of_ours(presented: str, secrets: list[str]) -> None:
    assert authenticate_webhook(presented, secrets) is (presented in secrets)
    for secret in secrets:
        assert authenticate_webhook(secret, secrets)
