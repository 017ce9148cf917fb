"""The status page on real parts: the Functions host, storage, and both services over HTTP."""

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from local.world import LocalWorld
from tests.integration.people import People, wait_until

pytestmark = pytest.mark.slow


def asked(world: LocalWorld, **query: str) -> httpx.Response:
    return httpx.get(f"{world.functions_url}/api/status", params=query, trust_env=False, timeout=30)


def board(world: LocalWorld, **query: str) -> Any:
    return asked(world, format="json", **query).raise_for_status().json()


def test_a_change_is_counted_and_its_story_told(world: LocalWorld, people: People) -> None:
    before = board(world)["hour"]["changes"]
    visit = people.visits()[0]
    people.move(visit, by=timedelta(minutes=30))

    wait_until(lambda: board(world)["hour"]["changes"] > before, seconds=30)

    told = board(world, view="story", **{"for": visit.booking_id})
    assert "update-booking" in [entry["action"] for entry in told["story"]["entries"]]
    assert told["diagnosis"]["is_found"]
    page = asked(world)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"


def test_a_confirmed_order_is_done_and_an_unconfirmed_one_is_not(world: LocalWorld, people: People) -> None:
    mailbox_id = people.visits()[0].technician.mailbox_id
    form = {"action": "resync", "subject": mailbox_id}
    address = f"{world.functions_url}/api/status"
    assert httpx.post(address, data=form, trust_env=False, timeout=30).status_code == 403

    question = asked(world, view="confirm", **form).text
    token = re.findall(r'name="token" value="([^"]+)"', question)[0]
    done = httpx.post(address, data={**form, "token": token}, trust_env=False, timeout=30)

    assert done.status_code == 200
    assert "Queued: the whole calendar" in done.text
    entries = board(world, view="story", **{"for": mailbox_id})["story"]["entries"]
    assert {"ordered", "resync"} <= {entry["action"] for entry in entries}
