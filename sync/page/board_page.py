"""The overview: convergence first, then what a person should look at, then what is well. Pure."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from sync.core.convergence import Convergence
from sync.core.mailboxes import BOOKINGS, Breaker
from sync.core.work import POISON_SUFFIX
from sync.page.html import Site, order, story_link
from sync.page.lists import conflicts_table, event_link, letters_table, mailbox_link, mailboxes_table, quarantines_table
from sync.page.markup import NOTHING, code, joined, length, moment, section, table, tag
from sync.service.board import Board, LetterClass, WaitingItem

SLOW_SECONDS = 300
"""An item that is not equal after this is worth a look: the sweep comes every fifteen minutes, push takes seconds."""


def board_content(board: Board, site: Site) -> Markup:
    """The overview's content."""
    return joined(
        [
            _verdict(board),
            _convergence(board, site),
            _letters(board, site),
            _conflicts(board, site),
            _breakers(board, site),
            _quarantines(board, site),
            _subscriptions(board, site),
            _queues(board),
        ]
    )


def concerns(board: Board) -> Iterator[tuple[str, str]]:
    """What a person should look at: the section's anchor, and what it is in words."""
    if board.oldest and (board.at - board.oldest.received_at).total_seconds() > SLOW_SECONDS:
        age = length((board.at - board.oldest.received_at).total_seconds())
        yield "convergence", f"An item has not been brought to agreement for {age}."
    if letters := sum(one.count for one in board.letters):
        yield "letters", f"{_counted(letters, 'item was', 'items were')} given up and wait for you."
    if board.census.held:
        yield "breakers", f"{_counted(board.census.held, 'deletion is', 'deletions are')} held until you have looked."
    if board.conflicts.rows:
        more = " or more" if board.conflicts.following else ""
        count = len(board.conflicts.rows)
        yield "conflicts", f"{count}{more} {'conflict' if count == 1 else 'conflicts'}: one side was overwritten."
    if board.census.quarantined:
        yield "quarantines", f"{_counted(board.census.quarantined, 'mailbox is', 'mailboxes are')} set aside."
    if troubled := sum(count for standing, count in board.census.subscriptions.items() if standing != "active"):
        yield "subscriptions", f"{_counted(troubled, 'subscription is', 'subscriptions are')} not active."
    if poisoned := sum(count for name, count in board.queues.items() if name.endswith(POISON_SUFFIX)):
        yield "queues", f"{_counted(poisoned, 'message is', 'messages are')} in poison queues, about to be given up."


def _verdict(board: Board) -> Markup:
    found = list(concerns(board))
    if not found:
        content = tag("p", "Nothing needs you. Every change has arrived or is on its way.")
    else:
        content = tag("ul", *(tag("li", tag("a", words, href=f"#{anchor}")) for anchor, words in found))
    title = "Look at this" if found else "All is well"
    class_ = "verdict bad" if found else "verdict"
    return tag("section", tag("h2", title, id="verdict-title"), content, class_=class_, aria_labelledby="verdict-title")


def _convergence(board: Board, site: Site) -> Markup:
    hour = board.hour
    figures = [
        tag("div", tag("dt", name), tag("dd", "\N{EN DASH}" if value is None else length(value)))
        for name, value in (
            ("half arrived within", hour.p50),
            ("95 of 100 within", hour.p95),
            ("99 of 100 within", hour.p99),
        )
    ]
    figures.append(tag("div", tag("dt", f"changes since {board.hour_since:%H:%M}"), tag("dd", f"{hour.changes:,}")))
    return section(
        "convergence",
        "From change to agreement",
        tag("dl", *figures, class_="figures"),
        tag("p", "Not yet equal: ", *_oldest(board.oldest, site)),
        table(
            "Times from the first notification of a change to both sides being equal, rounded up by a tenth at most. "
            "A change that only a sweep found is counted apart: nobody knows when it was made.",
            ("Period", "Changes", "p50", "p95", "p99", "By a sweep"),
            [_convergence_row(f"Since {board.hour_since:%H:%M}", hour), _convergence_row("24 hours", board.day)],
        ),
        _waiting(board.waiting, site),
    )


def _convergence_row(period: str, seen: Convergence) -> tuple[object, ...]:
    times = ["\N{EN DASH}" if value is None else length(value) for value in (seen.p50, seen.p95, seen.p99)]
    return (period, f"{seen.changes:,}", *times, f"{seen.swept:,}")


def _oldest(oldest: WaitingItem | None, site: Site) -> Sequence[object]:
    if oldest is None:
        return (tag("span", "nothing", class_="good"), ".")
    return ("the oldest item came ", moment(oldest.received_at, site.now), ", ", _item(oldest, site), ".")


def _item(item: WaitingItem, site: Site) -> Markup:
    """What an item is about, with the way to its story."""
    if item.booking_id:
        return joined(["booking ", story_link(site, code(item.booking_id), item.booking_id)])
    if item.event_id:
        return event_link(item.mailbox_id, item.event_id, site)
    return joined(["the mailbox of ", mailbox_link(item.mailbox_id, site)])


def _waiting(waiting: Sequence[WaitingItem], site: Site) -> Markup:
    if not waiting:
        return NOTHING
    rows = [(_item(item, site), moment(item.received_at, site.now), item.reason) for item in waiting]
    return table("Items that were put back, the oldest first", ("Item", "Received", "Waits for"), rows)


def _letters(board: Board, site: Site) -> Markup:
    if not board.letters:
        return section("letters", "Dead letters", tag("p", "None: no item was given up.", class_="good"))
    return section("letters", "Dead letters", *(_letter_class(one, site) for one in board.letters))


def _letter_class(letters: LetterClass, site: Site) -> Markup:
    name, count = letters.error_class, letters.count
    more = site.link("letters", **{"class": name})
    rest = count > len(letters.letters)
    return joined(
        [
            tag("h3", f"{name}: {count:,}"),
            tag("p", tag("strong", "What to do: "), letters.letters[0].mend),
            letters_table(f"{'The first' if rest else 'Dead letters'} of class {name}", letters.letters, site),
            tag(
                "p",
                order(site, f"Replay all of {name}", "replay-class", name, f"({count:,})"),
                " ",
                tag("a", f"All {count:,} of {name}", href=more) if rest else NOTHING,
            ),
        ]
    )


def _conflicts(board: Board, site: Site) -> Markup:
    if not board.conflicts.rows:
        return section("conflicts", "Conflicts", tag("p", "None: nobody's change was overwritten.", class_="good"))
    more = tag("p", tag("a", "All conflicts", href=site.link("conflicts"))) if board.conflicts.following else NOTHING
    return section("conflicts", "Conflicts", conflicts_table(board.conflicts.rows, site), more)


def _breakers(board: Board, site: Site) -> Markup:
    if not board.breakers:
        return section("breakers", "Deletion breakers", tag("p", "None holds.", class_="good"))
    rows = [_breaker_row(one, site) for one in board.breakers]
    return section(
        "breakers",
        "Deletion breakers",
        tag("p", "More was deleted at once than is likely to be meant. Look at the calendars; release what is."),
        table("Breakers that hold", ("Mailbox", "Deletions held", "Since", "Action"), rows),
    )


def _breaker_row(breaker: Breaker, site: Site) -> tuple[object, ...]:
    mailbox_id = breaker.mailbox_id
    name = "all bookings" if mailbox_id == BOOKINGS else mailbox_link(mailbox_id, site)
    button = order(site, "Release", "release", mailbox_id, f"the breaker of {mailbox_id}")
    return (name, breaker.held, moment(breaker.held_since, site.now), button)


def _quarantines(board: Board, site: Site) -> Markup:
    title, found = "Mailboxes set aside", board.quarantines
    if not found.rows:
        return section("quarantines", title, tag("p", "None.", class_="good"))
    everything = tag("a", f"All {board.census.quarantined:,}", href=site.link("quarantines"))
    more = tag("p", everything) if found.following else NOTHING
    return section("quarantines", title, quarantines_table(found.rows, site), more)


def _subscriptions(board: Board, site: Site) -> Markup:
    counts = board.census.subscriptions
    total = ", ".join(f"{count:,} {standing}" for standing, count in sorted(counts.items())) or "none yet"
    tables = []
    if board.troubled:
        tables.append(mailboxes_table("Not active, the most tried first", board.troubled, site))
    if board.expiring:
        tables.append(mailboxes_table("The next to expire", board.expiring, site))
    return section(
        "subscriptions",
        "Subscriptions",
        tag("p", f"{total}. Counted ", moment(board.census.taken_at, site.now), "."),
        *tables,
        tag("p", tag("a", "All mailboxes, with their last notification", href=site.link("mailboxes"))),
    )


def _queues(board: Board) -> Markup:
    rows = [(name, f"{count:,}") for name, count in board.queues.items()]
    return section("queues", "Queues", table("About how many messages there are", ("Queue", "Messages"), rows))


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
