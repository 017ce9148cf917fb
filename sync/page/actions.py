"""What a person may order on the status page. Each order is asked back, done once confirmed, and told the journal.

None of them writes to a calendar or a booking by itself but *take*, which gives a visit the time that lost: what the
others queue is read and decided like anything else. So each is safe to repeat.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from sync.core.conflicts import Conflict, Taking
from sync.core.mailboxes import BOOKINGS
from sync.core.rules import Rules
from sync.page.html import Site
from sync.page.lists import mailbox_link, span_words
from sync.page.markup import code, joined, section, tag
from sync.service.conflicts import take_other_side
from sync.service.orders import Replay, release_breaker, replay_letter, replay_letters
from sync.service.ports import Ports
from sync.service.resync import resync_mailbox


class Result(NamedTuple):
    """What an order came to. `is_done` False when there was nothing to do it to."""

    text: str
    is_done: bool = True


type Perform = Callable[[str, Ports, Rules], Awaitable[Result]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One kind of order. `verb` stands on the button, `question` and `effect` say what is about to happen."""

    verb: str
    question: str
    effect: str
    perform: Perform
    is_of_mailbox: bool = False


async def _replay_letter(letter_id: str, ports: Ports, rules: Rules) -> Result:
    del rules
    return _replayed(await replay_letter(letter_id, ports))


async def _replay_class(error_class: str, ports: Ports, rules: Rules) -> Result:
    del rules
    return _replayed(await replay_letters(error_class, ports))


def _replayed(replay: Replay) -> Result:
    if not replay.letters:
        return Result("There is no such dead letter any more: it was replayed already, or never was.", is_done=False)
    items = "1 item is" if replay.letters == 1 else f"{replay.letters:,} items are"
    more = " Time was up before all of them were: replay again." if replay.is_cut else ""
    return Result(
        f"{items} on the queue again.{more} If the cause persists, each comes back among the dead letters within a "
        "minute or so, and says that it came back after a replay."
    )


async def _release(mailbox_id: str, ports: Ports, rules: Rules) -> Result:
    released = await release_breaker(mailbox_id, ports, rules)
    return Result(
        f"Deletions pass until {released.until:%H:%M} UTC. What was held is looked at now; {released.letters:,} dead "
        "letters were replayed."
    )


async def _resync(mailbox_id: str, ports: Ports, rules: Rules) -> Result:
    queued = await resync_mailbox(mailbox_id, ports, rules)
    waits = f" But the mailbox is set aside: {queued.quarantine.reason}" if queued.quarantine else ""
    return Result(f"Queued: the whole calendar, {queued.bookings:,} bookings and {queued.events:,} events.{waits}")


async def _take(conflict_id: str, ports: Ports, rules: Rules) -> Result:
    taking = await take_other_side(conflict_id, ports, rules)
    if taking is Taking.ALREADY:
        return Result("Both sides have that value already.", is_done=False)
    return Result("The booking has the value that had lost; its event follows within seconds.")


ACTIONS: dict[str, Action] = {
    "replay-letter": Action(
        verb="Replay",
        question="Replay this dead letter?",
        effect="Its item goes back on the queue and is handled like a new one. Mend the cause first.",
        perform=_replay_letter,
    ),
    "replay-class": Action(
        verb="Replay all",
        question="Replay all dead letters of this class?",
        effect="Their items go back on the queue and are handled like new ones. Mend the cause first.",
        perform=_replay_class,
    ),
    "release": Action(
        verb="Release",
        question="Release this breaker?",
        effect=(
            "For an hour, deletions in this calendar are carried out however many they are: bookings whose events were "
            "deleted are cancelled. Look at the calendar first."
        ),
        perform=_release,
        is_of_mailbox=True,
    ),
    "resync": Action(
        verb="Resync",
        question="Resync this mailbox?",
        effect=(
            "Every visit of the window is read on both sides and compared. What differs is brought to agreement by the "
            "same rules as always. No mail is sent, but for a visit that changes and to which somebody was invited."
        ),
        perform=_resync,
        is_of_mailbox=True,
    ),
    "take": Action(
        verb="Take it",
        question="Take the other side of this conflict?",
        effect="The visit gets the time that was overwritten, on both sides. Refused when somebody moved it since.",
        perform=_take,
    ),
}


def about(action: Action, subject: str, conflict: Conflict | None, site: Site) -> Markup:
    """What an order is about: both values of a conflict, whose mailbox, else the id or class as it is."""
    if conflict is not None:
        stands, lost = span_words(conflict.stands), span_words(conflict.lost)
        return joined(["Booking ", code(conflict.booking_id), f": from {stands} to {lost}"])
    if action.is_of_mailbox and subject != BOOKINGS:
        return joined(["The mailbox of ", mailbox_link(subject, site)])
    return code(subject)


def question(action: Action, name: str, subject: str, shown: Markup, token: str, site: Site) -> Markup:
    """The form that confirms an order; its token is for this order only."""
    form = tag(
        "form",
        *(
            tag("input", type="hidden", name=field, value=value)
            for field, value in (("action", name), ("subject", subject), ("token", token))
        ),
        tag("button", action.verb, type="submit", class_="confirm"),
        " ",
        tag("a", "Leave it", href=site.link(), class_="action"),
        method="post",
        action=site.link(),
    )
    return section("confirm", "Are you sure?", tag("p", shown), tag("p", action.effect), form)
