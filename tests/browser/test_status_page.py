"""The status page in a real browser: read, walked by keyboard, narrow and wide, and made to do what was confirmed."""

from datetime import timedelta

import pytest

from sync.service.orders import ORDERED
from tests.browser.conftest import Scene

pytestmark = pytest.mark.slow

FOCUSED = "(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent).trim()"
WIDTHS = [320, 390, 768, 1200]


async def walk_to(scene: Scene, words: str) -> None:
    """Press Tab until what has the focus is called so."""
    for _ in range(60):
        await scene.tab.press("Tab")
        if words in await scene.tab.ask(FOCUSED):
            return
    raise AssertionError(f"nothing called {words!r} can be reached by keyboard")


async def test_a_dead_letter_is_replayed_by_keyboard_alone(scene: Scene) -> None:
    scene.tenant.dataverse.switchboard.faults.clear()
    await scene.tab.open(scene.url)
    await walk_to(scene, "Replay letter")
    await scene.tab.press("Enter", loads=True)
    assert "Replay this dead letter?" in await scene.tab.ask("document.title")
    await walk_to(scene, "Replay")
    await scene.tab.press("Enter", loads=True)

    assert "on the queue again" in await scene.tab.ask("document.body.textContent")
    assert len(scene.tenant.entries(ORDERED)) == 1
    await scene.tenant.settle()
    visit = scene.tenant.visit()
    assert await scene.tenant.booking_start(visit) == visit.start_at + timedelta(hours=1)
    assert scene.tab.problems == []


async def test_the_first_tab_leads_past_the_navigation_and_the_focus_is_seen(scene: Scene) -> None:
    await scene.tab.open(scene.url)
    await scene.tab.press("Tab")
    assert await scene.tab.ask(FOCUSED) == "Skip to the content"
    assert await scene.tab.ask("document.activeElement.getBoundingClientRect().left >= 0")
    await scene.tab.press("Enter")
    assert await scene.tab.ask("document.activeElement.id") == "content"
    await scene.tab.press("Tab")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert await scene.tab.ask(outline) == "solid"


async def test_a_person_is_looked_up_by_typing_their_name(scene: Scene) -> None:
    await scene.tab.open(scene.url)
    await walk_to_field(scene, "for")
    await scene.tab.call("Input.insertText", text=scene.tenant.technician.name)
    await scene.tab.press("Enter", loads=True)
    assert scene.tenant.technician.mailbox_id in await scene.tab.ask("document.querySelector('main').textContent")


async def walk_to_field(scene: Scene, name: str) -> None:
    for _ in range(20):
        await scene.tab.press("Tab")
        if await scene.tab.ask("document.activeElement.name") == name:
            return
    raise AssertionError(f"the field {name!r} cannot be reached by keyboard")


async def test_hostile_text_runs_nothing_and_the_policy_is_not_even_asked(scene: Scene) -> None:
    await scene.tab.open(scene.url)
    assert await scene.tab.ask("document.title") == "Overview \N{MIDDLE DOT} Booking sync"
    assert await scene.tab.ask("document.scripts.length + document.images.length") == 0
    assert "onerror=" in await scene.tab.ask("document.querySelector('#letters').textContent")
    assert scene.tab.problems == []


async def test_another_site_cannot_order_even_with_a_token(scene: Scene) -> None:
    """`localhost` is another site than 127.0.0.1; its page holds a form with a genuine token."""
    await scene.tab.open(f"{scene.url}?view=confirm&action=replay-class&subject=Refused")
    token = await scene.tab.ask("document.querySelector('[name=token]').value")
    fields = {"action": "replay-class", "subject": "Refused", "token": token}
    inputs = "".join(f"<input name={name} value={value}>" for name, value in fields.items())
    form = f"<form id=f method=post action='{scene.url}'>{inputs}</form>"
    await scene.tab.open(f"data:text/html,{form}")
    await scene.tab.ask("document.getElementById('f').submit()")
    await scene.tab.loaded()
    assert "sent by another site" in await scene.tab.ask("document.body.textContent")
    assert scene.tenant.entries(ORDERED) == []


@pytest.mark.parametrize("width", WIDTHS)
async def test_nothing_runs_out_of_the_window(scene: Scene, width: int) -> None:
    """Down to 320 pixels, which is what a page zoomed to 400 percent has (WCAG 2.2, 1.4.10)."""
    await scene.tab.look_like(width=width)
    visit = scene.tenant.visit()
    for query in ("", "?view=mailboxes", f"?view=story&for={visit.booking_id}", "?view=letters&class=Refused"):
        await scene.tab.open(scene.url + query)
        too_wide = (
            "[...document.querySelectorAll('main *')].filter(one => one.getBoundingClientRect().right > innerWidth + 1"
            " && getComputedStyle(one.closest('thead') || one).position !== 'absolute').map(one => one.outerHTML)[0]"
        )
        assert await scene.tab.ask(too_wide) is None
        assert await scene.tab.ask("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [390, 1200])
async def test_a_screen_reader_is_told_of_landmarks_headings_and_tables_at_every_width(
    scene: Scene, width: int
) -> None:
    await scene.tab.look_like(width=width)
    await scene.tab.open(scene.url)
    told = await scene.tab.accessible()
    roles = {role for role, _ in told}
    assert roles >= {"banner", "navigation", "search", "main", "contentinfo", "heading", "table", "row", "rowheader"}
    assert ("heading", "From change to agreement") in told
    assert ("textbox", "Person, booking or appointment, event id, or mailbox id") in told
    assert [name for role, name in told if role in {"link", "button", "textbox", "table"} and not name.strip()] == []


async def test_it_is_dark_for_whoever_prefers_that(scene: Scene) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        await scene.tab.look_like(width=1200, scheme=scheme)
        await scene.tab.open(scene.url)
        grounds.append(await scene.tab.ask("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(246, 247, 249)", "rgb(18, 22, 28)"]
