"""What names a record, and how moments are told."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from sync.core.diagnosis import NotARecord, RecordName, moment_text, record_name, span_text
from sync.core.sides import TimeSpan

RECORD = "0b0f6a5e-3b1f-4f11-840a-000d3a111111"
OTHER = "11111111-1111-4111-8111-111111111111"
FORM = "https://contoso.crm4.dynamics.com/main.aspx"


@pytest.mark.parametrize(
    ("text", "table"),
    [
        (RECORD, ""),
        (RECORD.upper(), ""),
        (f"  {{{RECORD}}} \n", ""),
        (f"{FORM}?appid={OTHER}&pagetype=entityrecord&etn=appointment&id={RECORD}", "appointment"),
        (f"{FORM}?etn=Appointment&ID=%7B{RECORD.upper()}%7D&cmdbar=true", "appointment"),
        (f"{FORM}?id={RECORD}&etn=bookableresourcebooking#123", "bookableresourcebooking"),
        (f"{FORM}?id={RECORD}", ""),
        (f"{FORM}#etn=appointment&id={RECORD}", "appointment"),
        (f"https://contoso.crm4.dynamics.com/api/data/v9.2/appointments({RECORD})?$select=subject", "appointments"),
    ],
)
def test_an_id_or_an_address_names_a_record_in_any_case(text: str, table: str) -> None:
    assert record_name(text) == RecordName(RECORD, table)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "WO-00042",
        RECORD[:-1],
        f"{RECORD}0",
        f"{RECORD} {OTHER}",
        f"{FORM}?appid={RECORD}",
        f"{FORM}?id={RECORD}0",
        f"{FORM}?viewid={RECORD}",
        f"{FORM}?id=",
        RECORD.replace("0", "g"),
        RECORD.replace("-", ""),
    ],
)
def test_what_names_no_record_is_refused_with_what_would(text: str) -> None:
    with pytest.raises(NotARecord, match="id=<id>"):
        record_name(text)


def test_a_long_text_is_not_repeated_to_whoever_gave_it() -> None:
    with pytest.raises(NotARecord) as refused:
        record_name("x" * 5_000)
    assert len(str(refused.value)) < 400


def test_times_are_told_in_utc() -> None:
    moment = datetime(2026, 11, 23, 13, 30, tzinfo=timezone(timedelta(hours=1)))
    assert moment_text(moment) == "2026-11-23 12:30 UTC"
    span = TimeSpan(start_at=moment, end_at=datetime(2026, 11, 23, 14, 0, tzinfo=UTC))
    assert span_text(span) == "2026-11-23 12:30 to 2026-11-23 14:00 UTC"
