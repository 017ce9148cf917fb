"""Pages of bookings as Dataverse answers them, and what is asked for them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest

from sync.adapters import dataverse_queries as queries
from sync.adapters.dataverse_wire import bookings_page_from_wire, changes_page_from_wire, listed_booking_from_wire
from sync.core.errors import InvalidPayload, Refused
from sync.core.sides import TimeSpan, event_hash
from sync.service.ports import ListedBooking
from tests.unit.samples import sample
from tests.unit.values import BOOKING_ID, EVENT_ID, MAILBOX, OTHER_MAILBOX

SPAN = TimeSpan(start_at=datetime(2026, 11, 23, 8, 0, tzinfo=UTC), end_at=datetime(2026, 11, 23, 9, 30, tzinfo=UTC))
DELTA_LINK = sample("dataverse-changes", "page")["@odata.deltaLink"]


def row(*, mailbox_id: str | None = MAILBOX, resource_type: int = 3, **different: Any) -> dict[str, Any]:
    """A booking of a list, by default one that names an event of its own technician's."""
    return {
        "@odata.etag": 'W/"5"',
        "bookableresourcebookingid": BOOKING_ID.upper(),
        "starttime": "2026-11-23T08:00:00Z",
        "endtime": "2026-11-23T09:30:00Z",
        "bks_eventid": EVENT_ID,
        "bks_eventhash": event_hash(MAILBOX, EVENT_ID),
        "Resource": {
            "resourcetype": resource_type,
            "_userid_value": mailbox_id and BOOKING_ID,
            "UserId": {"azureactivedirectoryobjectid": mailbox_id and mailbox_id.upper()} if mailbox_id else None,
        },
    } | different


def listed(event_id: str | None = EVENT_ID, mailbox_id: str | None = MAILBOX) -> ListedBooking:
    return ListedBooking(booking_id=BOOKING_ID, etag='W/"5"', span=SPAN, mailbox_id=mailbox_id, event_id=event_id)


def test_a_listed_booking_names_the_event_of_its_technician() -> None:
    assert listed_booking_from_wire(row(), MAILBOX) == listed()
    assert bookings_page_from_wire({"value": [row()]}).bookings == [listed()]


@pytest.mark.parametrize(
    ("different", "mailbox_id"),
    [
        pytest.param({"bks_eventhash": event_hash(OTHER_MAILBOX, EVENT_ID)}, MAILBOX, id="an event of the one before"),
        pytest.param({"bks_eventid": None}, MAILBOX, id="only a digest"),
        pytest.param({"bks_eventid": None, "bks_eventhash": None}, MAILBOX, id="nothing"),
        pytest.param({"bks_eventid": EVENT_ID.lower()}, MAILBOX, id="an id in another case"),
        pytest.param({"mailbox_id": OTHER_MAILBOX}, OTHER_MAILBOX, id="a booking that was given to somebody else"),
        pytest.param({"mailbox_id": None}, None, id="a technician without user"),
        pytest.param({"resource_type": 5}, None, id="a resource that is no user"),
    ],
)
def test_a_listed_booking_names_no_event_of_somebody_elses(different: dict[str, Any], mailbox_id: str | None) -> None:
    assert bookings_page_from_wire({"value": [row(**different)]}).bookings == [listed(None, mailbox_id)]


def test_a_bare_event_id_is_taken_for_the_technicians() -> None:
    assert bookings_page_from_wire({"value": [row(bks_eventhash=None)]}).bookings == [listed()]


def test_a_row_that_cannot_be_read_spoils_no_other() -> None:
    page = bookings_page_from_wire({"value": [row(starttime=None), "no row", row(), row(Resource=None)]})
    assert page.bookings == [listed()]
    assert [BOOKING_ID.upper() in reason for reason in page.rejected] == [True, False, True]


def test_a_plain_list_ends_with_neither_link() -> None:
    page = bookings_page_from_wire({"value": []})
    assert (page.bookings, page.next_link, page.delta_link) == ([], None, None)


def test_a_plain_list_goes_on_at_its_next_link() -> None:
    assert bookings_page_from_wire({"value": [], "@odata.nextLink": "https://there/"}).next_link == "https://there/"


@pytest.mark.parametrize("document", [{}, {"value": None}, {"value": {"0": row()}}])
def test_what_is_no_list_is_refused(document: dict[str, Any]) -> None:
    """An empty page would end a walk over all bookings as if there were no more."""
    with pytest.raises(InvalidPayload):
        bookings_page_from_wire(document)


def test_a_page_of_changes() -> None:
    page = changes_page_from_wire(sample("dataverse-changes", "page"), None)
    assert page.bookings == [ListedBooking(booking_id=BOOKING_ID, etag='W/"81723010"', span=SPAN)]
    assert page.removed == ["2e451703-c686-4711-80e5-00155db19e6d"]
    assert len(page.rejected) == 1
    assert "0b0f6a5e-3b1f-4f11-840a-000d3a555555" in page.rejected[0]
    assert (page.next_link, page.delta_link) == (None, DELTA_LINK)


@pytest.mark.parametrize("removal", [{"reason": "deleted"}, {"@odata.context": "https://there/#x/$deletedEntity"}])
def test_a_removal_is_known_by_either_sign(removal: dict[str, str]) -> None:
    page = changes_page_from_wire({"value": [{"id": BOOKING_ID, **removal}], "@odata.deltaLink": DELTA_LINK}, None)
    assert (page.bookings, page.removed) == ([], [BOOKING_ID])


def test_a_removal_without_id_is_rejected() -> None:
    page = changes_page_from_wire({"value": [{"reason": "deleted"}], "@odata.deltaLink": DELTA_LINK}, None)
    assert (page.removed, len(page.rejected)) == ([], 1)


@pytest.mark.parametrize("document", [{}, {"value": []}])
def test_an_empty_answer_to_a_delta_link_leaves_it_good(document: dict[str, Any]) -> None:
    page = changes_page_from_wire(document, DELTA_LINK)
    assert (page.bookings, page.removed, page.delta_link) == ((), (), DELTA_LINK)


def test_all_rows_without_a_link_to_their_changes_are_refused() -> None:
    """A service that ignores the wish to track changes would be read in full every time, and deletions be missed."""
    with pytest.raises(Refused) as refusal:
        changes_page_from_wire({"value": [row()]}, None)
    assert "python -m sync setup" in refusal.value.mend


@pytest.mark.parametrize(
    ("document", "link"),
    [
        pytest.param({"value": [row()]}, DELTA_LINK, id="changes that lead nowhere"),
        pytest.param({}, DELTA_LINK + "&$skiptoken=2", id="a round that breaks off"),
        pytest.param({"value": 5, "@odata.deltaLink": DELTA_LINK}, DELTA_LINK, id="no list"),
    ],
)
def test_a_round_of_changes_that_does_not_end_is_refused(document: dict[str, Any], link: str) -> None:
    with pytest.raises(InvalidPayload):
        changes_page_from_wire(document, link)


# Questions

WINDOW = TimeSpan(start_at=SPAN.start_at, end_at=SPAN.start_at + timedelta(days=7))


def test_everything_that_a_booking_is_made_of_is_asked_for() -> None:
    """A column that is not selected reads as empty, which would be taken for a booking that names no event."""
    booking = sample("dataverse-booking", "booking")
    selected = set(queries.BOOKING_QUERY.partition("$select=")[2].partition("&")[0].split(","))
    assert selected == {name for name, value in booking.items() if "@" not in name and not isinstance(value, dict)}
    for navigation in ("BookingStatus", "msdyn_workorder"):
        columns = set(queries.BOOKING_QUERY.partition(f"{navigation}($select=")[2].partition(")")[0].split(","))
        shown = {name for name in booking[navigation] if "@" not in name}
        assert shown - columns <= {"bookingstatusid", "msdyn_workorderid"}, "keys are answered unasked"
        assert columns <= shown


def test_one_question_stays_within_the_number_of_joins() -> None:
    """Fifteen expansions are allowed, and each costs (Dataverse documentation, join-tables)."""
    assert queries.BOOKING_QUERY.count("($select=") == 4


def test_conditions_survive_the_address() -> None:
    address = queries.bookings_of_mailbox(MAILBOX, WINDOW)
    assert " " not in address
    assert f"azureactivedirectoryobjectid eq {MAILBOX} and starttime lt 2026-11-30T08:00:00Z" in unquote(address)


def test_fifty_users_are_asked_for_in_a_short_address() -> None:
    assert len(queries.users_by_id([BOOKING_ID] * 50)) < 2_500


@pytest.mark.parametrize(
    "text",
    [
        "",
        "visit",
        f"{MAILBOX} or true",
        f"{{{MAILBOX}}}",
        f"{MAILBOX}\n",
        "11111111111141118111111111111111",
        "../WhoAmI",
    ],
)
def test_what_is_no_id_is_not_put_into_an_address(text: str) -> None:
    """It could be a condition of its own."""
    questions: list[Callable[[], str]] = [
        lambda: queries.row_address(queries.BOOKINGS, text),
        lambda: queries.resource_address(text),
        lambda: queries.bookings_of_mailbox(text, WINDOW),
        lambda: queries.bookings_of_work_order(text, SPAN.start_at),
        lambda: queries.users_by_id([text]),
    ]
    for ask in questions:
        with pytest.raises(InvalidPayload, match="Not an id"):
            ask()


def test_ids_are_written_in_lower_case() -> None:
    assert queries.row_address("bookableresources", MAILBOX.upper()) == f"bookableresources({MAILBOX.lower()})"
