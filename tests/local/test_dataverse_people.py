"""What the status page asks of Dynamics for people: names for ids, ids for names, bookings for an event's id."""

from typing import Any
from urllib.parse import unquote

import pytest

from local.sample import TECHNICIANS
from sync.adapters import dataverse_queries as queries
from sync.core.errors import InvalidPayload
from tests.local.dataverse_environment import ADA, Environment
from tests.local.test_dataverse_adapter import BEN, CRANE, HOSTILE, adapter, patch


async def all_of(listed: Any) -> list[Any]:
    return [one async for one in listed]


async def test_mailboxes_have_the_names_of_their_resources() -> None:
    environment = Environment()
    found = await all_of(adapter(environment).list_technicians_of([ADA.mailbox_id, BEN.mailbox_id, CRANE]))
    assert sorted(found) == sorted([(ADA.mailbox_id, ADA.name), (BEN.mailbox_id, BEN.name)])
    assert environment.board.calls["app"] == {"bookableresources.query": 1}


async def test_an_id_that_is_none_is_not_asked_about() -> None:
    with pytest.raises(InvalidPayload):
        await all_of(adapter(Environment()).list_technicians_of(["x or 1 eq 1"]))


@pytest.mark.parametrize("text", [ADA.name, ADA.name.split()[0].lower(), ADA.address, ADA.address.upper()])
async def test_a_person_is_found_by_a_part_of_the_name_or_by_the_whole_address(text: str) -> None:
    assert await all_of(adapter(Environment()).list_technicians_named(text)) == [(ADA.mailbox_id, ADA.name)]


async def test_a_letter_finds_everybody_who_has_it() -> None:
    found = await all_of(adapter(Environment()).list_technicians_named("a"))
    assert {name for _, name in found} == {one.name for one in TECHNICIANS if "a" in one.name.lower()}


async def test_a_hostile_name_is_nobodys() -> None:
    assert await all_of(adapter(Environment()).list_technicians_named(HOSTILE)) == []
    assert "eq 'it''s'" in unquote(queries.bookings_naming("it's"))


async def test_a_booking_is_found_by_the_id_of_its_event_and_by_no_other_case_of_it() -> None:
    environment = Environment()
    client, booking_id = adapter(environment), environment.booking.booking_id
    await patch(environment, f"/bookableresourcebookings({booking_id})", bks_eventid="AAMkAGI2-Visit=")
    assert await all_of(client.list_bookings_naming("AAMkAGI2-Visit=")) == [booking_id]
    assert await all_of(client.list_bookings_naming("aamkagi2-visit=")) == []
    assert await all_of(client.list_bookings_naming("it's not there")) == []
