"""Time zone names and both edges of daylight saving."""

from datetime import UTC, datetime

import pytest

from local.graph.zones import UnknownZoneError, local_text, parse_local, zone_named


@pytest.mark.parametrize("name", ["W. Europe Standard Time", "Europe/Berlin"])
@pytest.mark.parametrize(
    ("local", "utc_hour", "utc_minute"),
    [
        pytest.param("2026-03-29T01:59:00", 0, 59, id="before clocks go forward"),
        pytest.param("2026-03-29T03:00:00", 1, 0, id="after clocks went forward"),
        pytest.param("2026-03-29T02:30:00", 1, 30, id="a time that does not exist lies after the gap"),
        pytest.param("2026-10-25T02:30:00", 0, 30, id="a time that exists twice is the first one"),
        pytest.param("2026-10-25T03:00:00", 2, 0, id="after clocks went back"),
    ],
)
def test_windows_and_iana_names_mean_the_same_instant(name: str, local: str, utc_hour: int, utc_minute: int) -> None:
    at = parse_local(local, zone_named(name))
    assert at == datetime(2026, at.month, at.day, utc_hour, utc_minute, tzinfo=UTC)
    assert at.tzinfo is UTC


def test_local_times_are_shown_with_seven_decimals_and_without_offset() -> None:
    at = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert local_text(at, zone_named("Pacific Standard Time")) == "2026-10-24T18:30:00.0000000"


def test_up_to_seven_decimals_are_read() -> None:
    assert parse_local("2026-01-02T03:04:05.1234567", UTC) == datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "tzone://Microsoft/Custom", "../../etc/passwd", "utc "])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(UnknownZoneError):
        zone_named(name)


@pytest.mark.parametrize("text", ["2026-01-02", "2026-01-02T03:04:05+01:00", "2026-13-02T03:04:05", "soon"])
def test_what_is_no_local_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_local(text, UTC)


def test_z_is_accepted_in_utc_only() -> None:
    assert parse_local("2026-01-02T03:04:05Z", UTC) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    with pytest.raises(ValueError, match="claims UTC"):
        parse_local("2026-01-02T03:04:05Z", zone_named("Europe/Berlin"))
