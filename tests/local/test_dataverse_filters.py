"""`$filter` of the Dataverse simulator: what it accepts, finds and refuses."""

import pytest

from local.dataverse.errors import ServiceError
from local.dataverse.filter_syntax import Both, Comparison, Either, Literal, Not, Path, parse_filter
from local.dataverse.filters import compile_filter
from local.dataverse.rendering import RowSource
from local.dataverse.seed import status_id
from tests.local.dataverse_environment import ADA, SAMPLE, Environment

ENVIRONMENT = Environment()
"""Only read in this module."""


def names(text: str, table: str = "bookableresourcebooking") -> list[str]:
    """The names of the rows that a filter finds."""
    definition = ENVIRONMENT.world.schema[table]
    test = compile_filter(parse_filter(text), RowSource(ENVIRONMENT.world, definition))
    rows = ENVIRONMENT.world.rows(table).values()
    return sorted(str(row.values[definition.primary_name]) for row in rows if test(row))


EVERYONE = sorted(one.name for one in SAMPLE.bookings)


def test_and_binds_tighter_than_or_and_not_takes_parentheses() -> None:
    a, b, c = (Comparison(Path((name,)), "eq", Literal("Edm.Int32", 1)) for name in "abc")
    assert parse_filter("a eq 1 or b eq 1 and c eq 1") == Either(a, Both(b, c))
    assert parse_filter("(a eq 1 or b eq 1) and c eq 1") == Both(Either(a, b), c)
    assert parse_filter("not (a eq 1) and b eq 1") == Both(Not(a), b)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name eq 'wo-00001'", ["WO-00001"]),
        ("name eq 'WO-00001' or name eq 'WO-00003'", ["WO-00001", "WO-00003"]),
        (
            "starttime ge 2030-03-08T13:30:00Z and endtime le 2030-03-08T15:30:00Z and Resource/name eq 'ada berg'",
            ["WO-00020"],
        ),
        ("starttime eq 2030-03-04T08:00:00+01:00 and Resource/name eq 'Ada Berg'", ["WO-00001"]),
        ("starttime lt 2030-03-04", []),
        ("startswith(name,'wo-0002') and not endswith(name,'9')", [f"WO-0002{digit}" for digit in range(9)]),
        ("contains(name,'O-0000_') and duration gt 90", ["WO-00002", "WO-00004", "WO-00006", "WO-00008"]),
        ("endswith(name,'0[13-5]') and startswith(name,'WO-000')", ["WO-00001", "WO-00003", "WO-00004", "WO-00005"]),
        ("endswith(name,'0000[^2-9]')", ["WO-00001"]),
        ("contains(name,'%001%0')", ["WO-00010"]),
        ("contains(name,'[')", []),
        ("BookingStatus/msdyn_fieldservicestatus eq 690970004", ["WO-00020"]),
        (f"_bookingstatus_value ne {status_id('Scheduled')}", ["WO-00018", "WO-00019", "WO-00020"]),
        ("Resource/resourcetype eq 3", EVERYONE),
        (
            "Resource/UserId/domainname eq 'GRETA.NOVAK@contoso.example' and bks_eventid eq null",
            ["WO-00067", "WO-00068"],
        ),
        ("bks_eventid ne null and duration eq 60 and starttime gt 2030-03-08", ["WO-00019", "WO-00039", "WO-00059"]),
        ("msdyn_allowoverlapping eq false and name eq 'WO-00001'", ["WO-00001"]),
        ("createdon eq modifiedon", EVERYONE),
        (
            "Microsoft.Dynamics.CRM.In(PropertyName='name',PropertyValues=['wo-00001','WO-00002','none'])",
            ["WO-00001", "WO-00002"],
        ),
        (
            f"Microsoft.Dynamics.CRM.In(PropertyName='bookingstatus',PropertyValues=['{status_id('Completed')}'])",
            ["WO-00020"],
        ),
        ("not Microsoft.Dynamics.CRM.In(PropertyName='duration',PropertyValues=['60','90','120'])", []),
    ],
)
def test_a_filter_finds_what_the_service_would_find(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_not_equal_also_finds_rows_without_a_value_and_ordering_never_does() -> None:
    with_null = names("msdyn_fieldservicestatus ne 690970000", "bookingstatus")
    assert "No Show" in with_null
    assert "No Show" not in names("msdyn_fieldservicestatus gt 0", "bookingstatus")
    assert "No Show" not in names("msdyn_fieldservicestatus le 690970005", "bookingstatus")


def test_a_quote_in_a_text_is_doubled() -> None:
    assert parse_filter("name eq 'O''Brien'") == Comparison(Path(("name",)), "eq", Literal("Edm.String", "O'Brien"))


@pytest.mark.parametrize("quote", ["", "'"])
def test_a_guid_may_be_quoted_and_in_any_case(quote: str) -> None:
    found = names(f"_resource_value eq {quote}{ADA.resource_id.upper()}{quote}")
    assert found == [f"WO-{number:05}" for number in range(1, 21)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name eq",
        "name = 'x'",
        "name EQ 'x'",
        "name eq 'x' AND name eq 'y'",
        "name eq 'x",
        'name eq "x"',
        "(name eq 'x'",
        "name eq 'x')",
        "not name eq 'x'",
        "name in ('x','y')",
        "tolower(name) eq 'x'",
        "starttime ge 2030-13-01T00:00:00Z",
        "starttime ge 2030-03-01T00:00:00+01:00Z",
        "starttime ge '2030-03-01T00:00:00Z'",
        "duration eq '90'",
        "duration eq true",
        "name eq 5",
        "name gt null",
        "name eq duration",
        "statecode eq Active",
        "_resource_value eq 'not-a-guid'",
        "contains(duration,'1')",
        "contains('1',name)",
        "unknown eq 1",
        "Resource eq null",
        "BookingStatus/Name eq 'x'",
        "Microsoft.Dynamics.CRM.In(PropertyName='name',PropertyValues=[1])",
        "Microsoft.Dynamics.CRM.In(PropertyName='_resource_value',PropertyValues=['x'])",
        "Microsoft.Dynamics.CRM.In(PropertyName='bookingstatus',PropertyValues=['x'])",
    ],
)
def test_a_filter_that_the_service_refuses_is_refused(text: str) -> None:
    with pytest.raises(ServiceError) as refused:
        names(text)
    assert refused.value.status == 400


def test_functions_that_only_the_service_knows_are_named_as_not_modelled() -> None:
    with pytest.raises(ServiceError, match="LastXHours") as refused:
        names("Microsoft.Dynamics.CRM.LastXHours(PropertyName='createdon',PropertyValue=2)")
    assert refused.value.status == 501
