"""What an administrator sees on the status page, and what becomes of what they order there."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from local.switchboard import Fault
from sync.core.errors import ServiceUnavailable
from sync.core.journal import DeadLetter
from sync.core.mailboxes import BOOKINGS, Breaker, SubscriptionStanding
from sync.core.work import EVENT_CHANGES_QUEUE
from sync.page.tokens import VALID, token_for
from sync.service.orders import ORDERED
from tests.hosted_app import QUIET, SECRET
from tests.scenarios.status_page import OURS, StatusPage, page_of, parsed
from tests.scenarios.test_conflicts import IN_OUTLOOK, both_starts, tenant_in_conflict
from tests.scenarios.test_diagnosing_invitations import InvitingTenant
from tests.tenant import Tenant

pytestmark = pytest.mark.slow

HOSTILE = """<script>alert(1)</script>"><img src=x onerror='alert(2)'>&amp;{0}"""
PLUG_IN = Fault(
    kind="bookableresourcebookings.update",
    times=None,
    status=400,
    body={"error": {"code": "0x80040265", "message": f"Contoso plug-in: {HOSTILE}"}},
)


async def small() -> tuple[Tenant, StatusPage]:
    tenant = await Tenant.small(**QUIET)
    return tenant, page_of(tenant)


async def with_dead_letter() -> tuple[Tenant, StatusPage, DeadLetter]:
    """A visit was moved in Outlook, and a plug-in of Dynamics, whose cause persists, refuses that."""
    tenant, page = await small()
    tenant.dataverse.switchboard.faults.append(PLUG_IN)
    await tenant.move_event(tenant.visit())
    await tenant.settle()
    (letter,) = tenant.letters.letters.values()
    return tenant, page, letter


async def test_convergence_comes_first_and_is_that_of_the_changes_made() -> None:
    tenant, page = await small()
    assert (await page.data())["hour"]["changes"] == 0
    await tenant.move_event(tenant.visit())
    await tenant.settle()

    hour = (await page.data())["hour"]

    assert hour["changes"] == 1
    assert hour["p50"] == pytest.approx(tenant.settle_seconds, rel=0.1)
    titles = [title.text for title in (await page.show()).all("h2")]
    assert titles[1] == "From change to agreement"


async def test_what_waits_out_an_outage_is_told_with_its_age_until_it_arrives() -> None:
    tenant, page = await small()
    visit = tenant.visit()
    tenant.graph.switchboard.faults.append(Fault(times=None, status=503))
    await tenant.move_event(visit)
    await tenant.settle(limit=timedelta(minutes=10))

    board = await page.data()
    assert board["oldest"]["event_id"] == visit.event_id
    assert "been brought to agreement" in board["concerns"][0]
    assert [item["event_id"] for item in board["waiting"]] == [visit.event_id]

    tenant.graph.switchboard.faults.clear()
    await tenant.settle()
    board = await page.data()
    assert board["oldest"] is None
    assert board["hour"]["changes"] == 1


async def test_what_lies_on_the_queue_is_not_equal_yet_either() -> None:
    tenant, page = await small()
    tenant.settle_seconds = 0
    await tenant.notify(tenant.visit(), "updated")
    assert (await page.data())["oldest"]["event_id"] == tenant.visit().event_id


async def test_all_is_well_is_said_when_it_is() -> None:
    _, page = await small()
    shown = await page.show()
    assert "All is well" in shown.text
    assert (await page.data())["concerns"] == []


async def test_a_dead_letter_is_shown_with_reason_and_mend_and_its_hostile_text_stays_text() -> None:
    _, page, letter = await with_dead_letter()
    assert HOSTILE in letter.reason
    answer = await page.get()
    shown = parsed(answer.text)
    assert shown.all("script", "img") == []
    assert not [one for one in shown.all("td", "th", "a", "p") if any(name.startswith("on") for name in one.attributes)]
    assert HOSTILE in " ".join(cell.text for cell in shown.all("td"))
    assert letter.mend in shown.text


@pytest.mark.parametrize("place", ["for", "mailbox", "class", "after", "view", "action", "subject", "code"])
async def test_hostile_text_in_the_address_stays_text(place: str) -> None:
    _, page = await small()
    for view in ("story", "letters", "confirm"):
        query = {"view": view, "action": "replay-class", "subject": "x", "for": "nobody", place: HOSTILE}
        answer = await page.get(**query)
        assert "<script" not in answer.text
        assert parsed(answer.text).all("script", "img") == []


async def test_one_letter_is_replayed_once_its_cause_is_mended() -> None:
    tenant, page, letter = await with_dead_letter()
    tenant.dataverse.switchboard.faults.clear()

    answer = await page.confirm("replay-letter", letter.letter_id)
    assert answer.status == 200
    assert "1 item is on the queue again" in parsed(answer.text).text
    await tenant.settle()

    assert tenant.letters.letters == {}
    assert await tenant.booking_start(tenant.visit()) == tenant.visit().start_at + timedelta(hours=1)
    (ordered,) = tenant.entries(ORDERED)
    assert ordered.reason == f"replay-letter {letter.letter_id}, by a holder of the function key"
    assert ordered.mailbox_id == BOOKINGS


async def test_letters_of_a_class_come_back_while_the_cause_persists_and_say_so() -> None:
    tenant, page, letter = await with_dead_letter()

    answer = await page.confirm("replay-class", "Refused")
    assert "If the cause persists, each comes back" in parsed(answer.text).text
    assert tenant.letters.letters == {}
    await tenant.settle()

    (again,) = tenant.letters.letters.values()
    assert again.letter_id == letter.letter_id
    shown = await page.show()
    assert "came back after a replay: its cause persists" in shown.text
    assert "1 item was given up" in shown.text


async def test_ordering_again_what_was_done_does_nothing() -> None:
    tenant, page, letter = await with_dead_letter()
    tenant.dataverse.switchboard.faults.clear()
    await page.confirm("replay-letter", letter.letter_id)
    answer = await page.confirm("replay-letter", letter.letter_id)
    assert "no such dead letter any more" in parsed(answer.text).text
    await tenant.settle()
    assert await tenant.booking_start(tenant.visit()) == tenant.visit().start_at + timedelta(hours=1)


@pytest.mark.parametrize(
    ("spoilt", "headers"),
    [
        ({"token": ""}, OURS),
        ({"token": "1.x"}, OURS),
        ({"subject": "AccessDenied"}, OURS),
        ({"action": "resync"}, OURS),
        ({}, {"sec-fetch-site": "cross-site"}),
        ({}, {"origin": "https://evil.example"}),
    ],
)
async def test_an_order_without_a_token_of_its_own_is_refused(spoilt: dict[str, str], headers: dict[str, str]) -> None:
    tenant, page, letter = await with_dead_letter()
    token = token_for("replay-class", "Refused", SECRET, tenant.clock.now())
    fields = {"action": "replay-class", "subject": "Refused", "token": token, **spoilt}

    answer = await page.send(fields, headers)

    assert answer.status == 403
    assert "Nothing was done" in parsed(answer.text).text
    assert list(tenant.letters.letters) == [letter.letter_id]
    assert tenant.entries(ORDERED) == []


async def test_a_confirmation_that_was_left_lying_is_refused() -> None:
    tenant, page, letter = await with_dead_letter()
    token = token_for("replay-class", "Refused", SECRET, tenant.clock.now() - VALID)
    answer = await page.send({"action": "replay-class", "subject": "Refused", "token": token})
    assert answer.status == 403
    assert list(tenant.letters.letters) == [letter.letter_id]


@pytest.mark.parametrize("fields", [{}, {"action": "delete-everything", "subject": "x"}, {"action": "resync"}])
async def test_an_order_that_there_is_none_of_is_refused(fields: dict[str, str]) -> None:
    _, page = await small()
    assert (await page.send(fields)).status == 400


async def test_who_signed_in_is_written_down_by_id_and_nothing_else_is() -> None:
    tenant, page, letter = await with_dead_letter()
    person = "0f0e0d0c-0000-4000-8000-000000000001"
    for given, who in ((person, person), ("eve@contoso.example", "a holder of the function key")):
        await page.confirm("replay-letter", letter.letter_id, {**OURS, "x-ms-client-principal-id": given})
        assert tenant.entries(ORDERED)[-1].reason.endswith(f"by {who}")


async def test_a_breaker_is_released_and_the_overview_counts_anew() -> None:
    tenant, page = await small()
    mailbox_id = tenant.technician.mailbox_id
    held = Breaker(mailbox_id=mailbox_id, held_since=tenant.clock.now(), held=12)
    await tenant.state.save_breaker(held)
    assert "12 deletions are held until you have looked." in (await page.data())["concerns"]

    answer = await page.confirm("release", mailbox_id)

    assert answer.status == 200
    board = await page.data()
    assert board["concerns"] == []
    breaker = await tenant.state.find_breaker(mailbox_id)
    assert breaker
    assert breaker.released_until == tenant.clock.now() + timedelta(hours=1)
    await tenant.settle()
    assert [entry.mailbox_id for entry in tenant.entries(ORDERED)] == [mailbox_id]


async def test_a_mailbox_is_resynced() -> None:
    tenant, page = await small()
    tenant.switch(lose=1.0)
    await tenant.move_event(tenant.visit())
    answer = await page.confirm("resync", tenant.technician.mailbox_id)
    assert "the whole calendar" in parsed(answer.text).text
    await tenant.settle()
    assert await tenant.booking_start(tenant.visit()) == tenant.visit().start_at + timedelta(hours=1)


async def test_what_is_refused_is_told_with_its_mend() -> None:
    _, page = await small()
    answer = await page.confirm("resync", "0f0e0d0c-0000-4000-8000-000000000001")
    assert answer.status == 409
    assert "Check the id" in parsed(answer.text).text


async def test_a_conflict_shows_both_values_and_the_other_side_is_taken() -> None:
    tenant = await tenant_in_conflict()
    page = page_of(tenant)
    shown = await page.show()
    (link,) = [one for one in shown.all("a") if "Take Outlook" in one.text]
    question = (await page.follow(link)).text
    (conflict,) = (await page.data(view="conflicts"))["rows"]
    for side in ("stands", "lost"):
        assert conflict[side]["start_at"][11:16] in question

    answer = await page.confirm("take", conflict["conflict_id"])
    await tenant.settle()

    assert answer.status == 200
    assert await both_starts(tenant) == (IN_OUTLOOK, IN_OUTLOOK)
    assert (await page.data())["conflicts"]["rows"] == []
    told = (await page.data(view="story", **{"for": conflict["booking_id"]}))["story"]["entries"]
    assert ORDERED in [entry["action"] for entry in told], "who took it stands in the booking's story"


async def test_an_items_story_runs_from_its_notification_to_the_write_with_a_diagnosis() -> None:
    tenant, page = await small()
    visit = tenant.visit()
    await tenant.move_event(visit)
    await tenant.settle()
    for text, mailbox in ((visit.booking_id, ""), (visit.event_id, ""), (visit.event_id, visit.technician.mailbox_id)):
        found = await page.data(view="story", **{"for": text, "mailbox": mailbox})
        assert found["story"]["booking_id"] == visit.booking_id
        assert "update-booking" in [entry["action"] for entry in found["story"]["entries"]]
        assert found["diagnosis"]["verdict"]
    shown = await page.show(view="story", **{"for": visit.booking_id})
    assert [title.text for title in shown.all("h2")] == ["The booking", "Diagnosis", "What happened"]
    assert visit.technician.name in shown.text


@pytest.mark.parametrize("by", ["name", "address", "mailbox_id"])
async def test_a_person_is_found_by_name_address_or_mailbox(by: str) -> None:
    tenant, page = await small()
    await tenant.move_event(tenant.visit())
    await tenant.settle()
    found = await page.data(view="story", **{"for": getattr(tenant.technician, by)})
    assert found["story"]["subject"] == "mailbox"
    assert found["story"]["mailbox_ids"] == [tenant.technician.mailbox_id]
    assert found["story"]["entries"]


async def test_several_people_of_one_name_are_offered() -> None:
    tenant, page = await small()
    shown = await page.show(view="story", **{"for": "a"})
    people = [link for link in shown.all("a") if link.text == tenant.technician.name]
    assert people
    assert tenant.technician.mailbox_id in (await page.follow(people[0])).text


@pytest.mark.parametrize("text", ["0f0e0d0c-0000-4000-8000-000000000001", "Nobody At All", "x" * 120, "'"])
async def test_what_nobody_knows_is_not_found_and_says_what_would_help(text: str) -> None:
    _, page = await small()
    answer = await page.get(view="story", **{"for": text})
    assert answer.status == 404
    assert "Not found" in parsed(answer.text).text


async def test_an_appointment_is_told_why_it_was_not_sent() -> None:
    tenant = InvitingTenant()
    await tenant.set_up()
    page = StatusPage(replace(page_of(tenant).desk, records=tenant.records))
    appointment_id = await tenant.plan_meeting(organizer=None)

    shown = await page.show(view="story", **{"for": appointment_id})

    assert [title.text for title in shown.all("h2")] == ["Diagnosis"]
    assert (await tenant.why_appointment(appointment_id)).verdict in shown.text
    unknown = await page.get(view="story", **{"for": "0f0e0d0c-0000-4000-8000-000000000001"})
    assert unknown.status == 404


async def test_the_page_is_there_when_dynamics_and_outlook_are_not() -> None:
    tenant, page, letter = await with_dead_letter()
    for switchboard in (tenant.graph.switchboard, tenant.dataverse.switchboard):
        switchboard.faults.append(Fault(times=None, status=503))
    answer = await page.get()
    assert answer.status == 200
    assert letter.mailbox_id in answer.text, "an id stands where the name would"


async def test_tables_that_cannot_be_read_are_told_and_nothing_else_is() -> None:
    tenant, page = await small()
    tenant.state.fail_next("find_census", ServiceUnavailable("The table cannot be read.", status=503))
    answer = await page.get()
    assert answer.status == 503
    assert "Try again in a minute." in parsed(answer.text).text


async def test_a_failed_renewal_and_the_last_notification_stand_in_the_mailboxes_row() -> None:
    tenant, page = await small()
    await tenant.move_event(tenant.visit())
    await tenant.settle()
    mailbox_id = tenant.technician.mailbox_id
    record = await tenant.state.find_subscription_record(mailbox_id)
    assert record
    failed = replace(record, standing=SubscriptionStanding.FAILED, reason="our door did not answer", failures=3)
    await tenant.state.save_subscription_record(failed)

    (row,) = (await page.data(view="mailboxes"))["rows"]

    assert row["record"]["reason"] == "our door did not answer"
    assert row["last_notified_at"] is not None
    assert "1 subscription is not active." in (await page.data())["concerns"]


async def test_the_key_of_the_address_stays_in_the_links_and_one_of_a_header_appears_nowhere() -> None:
    _, page = await small()
    shown = await page.show(code="the+key=")
    links = [link.attributes["href"] or "" for link in shown.all("a")]
    assert links
    assert all(href.startswith("#") or "code=the%2Bkey%3D" in href for href in links)
    hidden = [one.attributes for one in shown.all("input") if one.attributes.get("name") == "code"]
    assert [one["value"] for one in hidden] == ["the+key="]
    question = await page.show(view="confirm", action="replay-class", subject="Refused", code="the+key=")
    assert [one.attributes["action"] for one in question.all("form") if one.attributes["method"] == "post"] == [
        "?code=the%2Bkey%3D"
    ]
    answer = await page.get({"x-functions-key": "the+key="})
    assert "key=" not in answer.text


@pytest.mark.parametrize(
    ("accept", "mimetype"),
    [("application/json", "application/json"), ("text/html,application/json;q=0.9", "text/html"), ("*/*", "text/html")],
)
async def test_programs_ask_for_json_and_browsers_get_html(accept: str, mimetype: str) -> None:
    _, page = await small()
    assert (await page.get({"accept": accept})).mimetype == mimetype


async def test_an_answer_may_neither_be_framed_nor_kept_nor_load_anything() -> None:
    _, page = await small()
    answer = await page.get()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert not re.findall(r"\b(?:src|href)=\"(?:https?:)?//", answer.text)
    assert ' style="' not in answer.text


async def test_an_unknown_view_is_not_found() -> None:
    _, page = await small()
    assert (await page.get(view="everything")).status == 404


async def test_what_a_poison_queue_holds_is_a_concern() -> None:
    tenant, page = await small()
    await tenant.queue.put_text(f"{EVENT_CHANGES_QUEUE}-poison", "{}")
    assert "1 message is in poison queues, about to be given up." in (await page.data())["concerns"]
