"""The local board in a real browser, over a whole local world: what is moved on one side moves on the other."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest

from local.board.process import BoardProcess
from local.sample import Sample, SampleBooking, build_sample
from local.world import LocalWorld, today_in_utc
from tests.browser.chromium import Tab, find_chromium, open_tab

CHROMIUM = find_chromium()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: these tests look at the board in a browser"),
]

SETTINGS = {"SETTLE_SECONDS": "0.2"}
PATIENCE_SECONDS = 30
HOUR = timedelta(hours=1)
HOSTILE = "<img src=x onerror=\"document.title='run'\">"


@pytest.fixture(scope="module")
def sample() -> Sample:
    return build_sample(today_in_utc())


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a board whose world is up and quiet."""
    with LocalWorld(tmp_path_factory.mktemp("world"), settings=SETTINGS) as world:
        world.register()
        world.subscribe()
        world.wait_until_quiet()
        process = BoardProcess(world, today_in_utc())
        try:
            process.start()
            yield process.url
        finally:
            process.child.stop()


class Page:
    """The board, as somebody uses it."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab

    async def label(self, side: str, name: str) -> str:
        """What the card of a visit says of itself; empty when there is none."""
        return str(await self.tab.ask(f"{card(side, name)}?.getAttribute('aria-label') ?? ''"))

    async def place(self, side: str, name: str) -> tuple[float, float]:
        """Just below the middle of a card's upper edge, from the window's corner."""
        box = f"{card(side, name)}.getBoundingClientRect()"
        x, y = await self.tab.ask(f"(box => [box.left + box.width / 2, box.top + 6])({box})")
        return float(x), float(y)

    async def hour_height(self) -> float:
        return float(await self.tab.ask("document.querySelector('.columns').offsetHeight / 12"))

    async def drag(self, side: str, name: str, *, down: float) -> None:
        x, y = await self.place(side, name)
        await self._mouse("mousePressed", x, y)
        for share in (0.5, 1.0):
            await self._mouse("mouseMoved", x, y + down * share)
        await self._mouse("mouseReleased", x, y + down)

    async def _mouse(self, kind: str, x: float, y: float) -> None:
        await self.tab.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    async def focus(self, side: str, name: str) -> None:
        await self.tab.ask(f"{card(side, name)}.focus()")

    async def press(self, key: str) -> None:
        text = {"text": "\r"} if key == "Enter" else {}
        await self.tab.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        await self.tab.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def click(self, selector: str) -> None:
        await self.tab.ask(f"document.querySelector({json.dumps(selector)}).click()")

    async def text(self, selector: str) -> str:
        return str(await self.tab.ask(f"document.querySelector({json.dumps(selector)}).textContent.trim()"))

    async def wait_for(self, expression: str) -> Any:
        """Until it is true in the page; its value."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                if value := await self.tab.ask(expression):
                    return value
                await asyncio.sleep(0.1)

    async def wait_until_equal(self, side: str, name: str, *, says: str) -> None:
        """Until a card says that, and no more that the other side differs."""
        label = f"{card(side, name)}?.getAttribute('aria-label')"
        await self.wait_for(f"(label => label?.includes('{says}') && !label.includes('not equal'))({label})")


def card(side: str, name: str) -> str:
    """An expression for the first card of a side that shows `name`."""
    return f"[...document.querySelectorAll('#{side} .card')].find(one => one.textContent.includes({json.dumps(name)}))"


@pytest.fixture
async def page(board: str) -> AsyncIterator[Page]:
    assert CHROMIUM is not None
    async with open_tab(CHROMIUM) as tab:
        await tab.look_like(width=1400, height=1000)
        await tab.open(board)
        page = Page(tab)
        await page.wait_for("document.querySelectorAll('#outlook .card').length")
        yield page
        assert tab.problems == [], "neither errors nor anything that the page's policy forbids"


def visit(sample: Sample, index: int) -> SampleBooking:
    """One of the first technician's, who is shown first."""
    return sample.bookings[index]


def times(one: SampleBooking, *, by: timedelta = timedelta()) -> str:
    return f"{one.start_at + by:%H:%M} to {one.end_at + by:%H:%M}"


async def test_a_booking_dragged_in_dynamics_moves_its_event_in_outlook(page: Page, sample: Sample) -> None:
    one = visit(sample, 3)
    await page.drag("dynamics", one.name, down=await page.hour_height())
    await page.wait_until_equal("dynamics", one.name, says=times(one, by=HOUR))
    await page.wait_until_equal("outlook", one.name, says=times(one, by=HOUR))
    await page.wait_for("document.querySelector('#standing-words').textContent === 'Both sides are equal'")
    row = await page.wait_for(
        "[...document.querySelectorAll('#journal li')].map(row => row.textContent)"
        f".find(text => text.includes('{one.name}') && text.includes('moved-in-dynamics')) ?? ''"
    )
    assert "the booking was moved, the event was not" in row


async def test_an_event_moved_with_the_arrow_keys_moves_its_booking(page: Page, sample: Sample) -> None:
    one = visit(sample, 7)
    await page.focus("outlook", one.name)
    for key in ("ArrowDown", "ArrowDown"):
        await page.press(key)
    assert times(one, by=HOUR / 2) in await page.text("#announcement")
    assert times(one) in await page.label("dynamics", one.name), "nothing is written before Enter"
    await page.press("Enter")
    await page.wait_until_equal("dynamics", one.name, says=times(one, by=HOUR / 2))
    focused = str(await page.tab.ask("document.activeElement.getAttribute('aria-label')"))
    assert one.name in focused, "the keyboard stays where it was"


async def test_escape_puts_a_visit_back(page: Page, sample: Sample) -> None:
    one = visit(sample, 8)
    await page.focus("outlook", one.name)
    await page.press("ArrowDown")
    await page.press("Escape")
    assert await page.text("#announcement") == "Back where it was."
    shown = await page.tab.ask("document.activeElement.textContent")
    assert f"{one.start_at:%H:%M}" in shown


async def test_a_visit_booked_in_the_form_appears_in_outlook_and_its_name_stays_text(page: Page) -> None:
    await page.tab.ask(f"document.querySelector('[name=name]').value = {json.dumps(HOSTILE)}")
    await page.click("#form .main")
    await page.wait_for(f"Boolean({card('outlook', '<img src=x')})")
    assert await page.tab.ask("document.querySelector('img')") is None
    assert await page.tab.ask("document.title") != "run"


async def test_a_chosen_visit_tells_its_own_story_and_can_be_cancelled(page: Page, sample: Sample) -> None:
    one = visit(sample, 9)
    await page.focus("dynamics", one.name)
    await page.press("Enter")
    await page.wait_for(f"document.querySelector('#journal-of').textContent === 'of {one.name} alone'")
    assert await page.tab.ask("document.querySelector('[name=name]').value") == one.name
    await page.click("#cancel")
    await page.wait_for(f"!{card('outlook', one.name)}")
    assert "Canceled" in await page.label("dynamics", one.name)
    rows = "[...document.querySelectorAll('#journal li .what')].map(row => row.textContent)"
    await page.wait_for(f"{rows}.some(text => text.includes('cancelled-in-dynamics'))")
    assert all(one.name in text for text in await page.tab.ask(rows))


async def test_the_form_writes_what_was_changed_in_it_and_leaves_what_has_changed_elsewhere(
    page: Page, sample: Sample
) -> None:
    one = visit(sample, 11)
    await page.focus("dynamics", one.name)
    await page.press("Enter")
    await page.wait_for(f"document.querySelector('[name=name]').value === '{one.name}'")
    await page.tab.ask(
        "(field => { field.value = 'Renamed'; field.dispatchEvent(new Event('input', {bubbles: true})); })"
        "(document.querySelector('[name=name]'))"
    )
    await page.drag("dynamics", one.name, down=await page.hour_height())
    await page.wait_until_equal("outlook", one.name, says=times(one, by=HOUR))
    await page.click("#form .main")
    await page.wait_until_equal("dynamics", "Renamed", says=times(one, by=HOUR))
    assert times(one, by=HOUR) in await page.label("dynamics", "Renamed"), "the form has not put the time back"


async def test_trouble_is_begun_and_ended_by_its_button(page: Page) -> None:
    button = "document.querySelector('[name=lose-notifications]').getAttribute('aria-pressed')"
    assert await page.tab.ask(button) == "false"
    await page.click("[name=lose-notifications]")
    await page.wait_for(f"{button} === 'true'")
    await page.click("[name=lose-notifications]")
    await page.wait_for(f"{button} === 'false'")


async def test_on_a_phone_one_day_of_both_sides_fits_beside_each_other(page: Page) -> None:
    await page.tab.look_like(width=390, height=844, scheme="dark")
    await page.wait_for("document.querySelectorAll('#dynamics .column').length === 1")
    assert await page.tab.ask("document.documentElement.scrollWidth <= innerWidth"), "nothing to scroll sideways"
    left, right = await page.tab.ask(
        "['dynamics', 'outlook'].map(id => document.getElementById(id).getBoundingClientRect().top)"
    )
    assert left == right


async def test_every_control_has_a_name(page: Page) -> None:
    controls = {"button", "textbox", "combobox", "checkbox", "Date", "DateTime"}
    unnamed = [(role, name) for role, name in await page.tab.accessible() if role in controls and not name]
    assert unnamed == []
    assert ("heading", "Journal of Ada Berg, newest first") in await page.tab.accessible()
