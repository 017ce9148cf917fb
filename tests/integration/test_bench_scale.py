"""What the bench says of looking after many quiet calendars. Times are measured, never asserted."""

from collections import Counter

import pytest

from bench.footprint import measure_footprint
from bench.scale import measure_scale

pytestmark = pytest.mark.slow


def test_subscribing_takes_one_order_and_one_read_a_mailbox_and_a_sweep_one_read() -> None:
    scale = measure_scale(30)
    assert scale.subscribing.calls == {
        "bookableresources.query": 1,
        "mailboxes.query": 1,
        "subscription.list": 1,
        "batch": 2,
        "subscription.create": 30,
        "calendarView.delta": 30,
        "bookableresourcebookings.query": 30,
        "bookableresourcebookings.delta": 1,
    }
    assert scale.sweeping.calls["calendarView.delta"] == 30
    assert scale.subscribing.subscription_writes == 30
    assert 0 < scale.subscribed_seconds < scale.subscribing.seconds
    assert scale.subscribing.refused == scale.sweeping.refused == scale.renewing.refused == 0


def test_on_the_first_day_of_renewals_two_thirds_of_all_are_renewed() -> None:
    renewing = measure_scale(90).renewing
    renewed_in_two_hours = renewing.calls["subscription.renew"]
    assert 90 / 18 / 3 < renewed_in_two_hours < 90 / 18 * 3
    assert renewing.calls["subscription.list"] == 24
    assert "subscription.create" not in renewing.calls


def test_the_stand_ins_of_the_footprint_are_asked_for_what_the_simulators_are_asked_for() -> None:
    scale, footprint = measure_scale(25), measure_footprint(25)
    assert footprint.subscribing.calls == scale.subscribing.calls
    assert footprint.sweeping.calls == scale.sweeping.calls
    # What upkeep reads when nothing is due is what it reads at first
    assert Counter(footprint.upkeep.calls) <= Counter(scale.subscribing.calls)


def test_the_memory_of_a_process_at_its_peak_is_no_less_than_when_it_was_ready() -> None:
    footprint = measure_footprint(5)
    assert footprint.ready_bytes is None or 0 < footprint.ready_bytes <= (footprint.peak_bytes or 0)
