"""How a trace's ids follow from a correlation id, and what of a reason may leave the app."""

import pytest
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from sync import bootstrap
from sync.adapters.otel_traces import root_of, words_only
from sync.core.actions import Reason


def test_the_trace_id_is_the_correlation_id() -> None:
    correlation_id = bootstrap.new_id()
    assert f"{root_of(correlation_id).trace_id:032x}" == correlation_id


@pytest.mark.parametrize("correlation_id", ["item-1", "", "0" * 32, "F" * 32, "f" * 31])
def test_what_cannot_be_a_trace_id_leads_to_one_all_the_same(correlation_id: str) -> None:
    root = root_of(correlation_id)
    assert root.is_valid
    assert root == root_of(correlation_id)


def test_every_process_finds_the_same_root_for_an_item_and_another_for_others() -> None:
    ids = [bootstrap.new_id() for _ in range(100)]
    assert len({root_of(one).span_id for one in ids}) == 100
    assert all(root_of(one) == root_of(one) for one in ids)


def test_a_sampler_that_keeps_a_share_keeps_that_share() -> None:
    """A version 4 UUID has a fixed bit where samplers look: of those, a tenth would be none at all."""
    sampler = TraceIdRatioBased(0.1)
    kept = [
        sampler.should_sample(None, root_of(bootstrap.new_id()).trace_id, "any").decision is Decision.RECORD_AND_SAMPLE
        for _ in range(4000)
    ]
    assert 250 < sum(kept) < 550


@pytest.mark.parametrize("reason", Reason)
def test_our_own_words_may_leave(reason: str) -> None:
    assert words_only(reason) == reason


@pytest.mark.parametrize(
    "reason", ["15 s: The service failed.", "Dataverse refused: Ada Berg must sign.", "Refused", ""]
)
def test_sentences_stay_here(reason: str) -> None:
    assert words_only(reason) == ""
