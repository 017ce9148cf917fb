"""The lists of the status page, a page of each. Pure."""

from collections.abc import Sequence

from markupsafe import Markup

from sync.core.conflicts import Conflict, Side
from sync.core.errors import InvalidPayload
from sync.core.journal import DeadLetter
from sync.core.mailboxes import Quarantine, QuarantineKind, SubscriptionStanding
from sync.core.sides import TimeSpan
from sync.core.work import item_from_text
from sync.core.work_items import BookingChange, EventChange, Source
from sync.page.html import Site, lines, order, pages, story_link
from sync.page.markup import code, joined, moment, section, table, tag
from sync.service.board import MailboxRow, Page

_SIDES = {Side.DYNAMICS: "Dynamics", Side.OUTLOOK: "Outlook"}


def mailbox_link(mailbox_id: str, site: Site) -> Markup:
    """A mailbox by its person's name, where Dynamics told it, else by its id."""
    if not mailbox_id:
        return code(None)
    return story_link(site, site.names.get(mailbox_id) or code(mailbox_id), mailbox_id)


def event_link(mailbox_id: str, event_id: str, site: Site) -> Markup:
    """An event by whose it is: nobody can read its id."""
    whose = site.names.get(mailbox_id) or code(mailbox_id)
    return story_link(site, joined(["an event of ", whose]), event_id, mailbox_id)


def _whose(mailbox_id: str, site: Site) -> str:
    """For the names of buttons, which are read out."""
    return f"the mailbox of {site.names[mailbox_id]}" if mailbox_id in site.names else f"mailbox {mailbox_id}"


def mailboxes_content(page: Page[MailboxRow], site: Site, *, after: str) -> Markup:
    shown = mailboxes_table("Mailboxes by id", page.rows, site)
    return section(
        "mailboxes", "Mailboxes and their subscriptions", shown, pages(site, "mailboxes", page.following, not after)
    )


def mailboxes_table(caption: str, rows: Sequence[MailboxRow], site: Site) -> Markup:
    return table(
        caption,
        ("Mailbox of", "Subscription", "Ends", "Renewed", "Last notification", "Action"),
        [_mailbox_row(row, site) for row in rows],
    )


def _mailbox_row(row: MailboxRow, site: Site) -> tuple[object, ...]:
    record = row.record
    is_good = record.standing is SubscriptionStanding.ACTIVE
    standing = tag("span", record.standing, class_="good" if is_good else "bad")
    tried = f", tried {record.failures} times" if record.failures else ""
    told = standing if is_good and not record.reason else joined([standing, f": {record.reason}{tried}"])
    return (
        mailbox_link(record.mailbox_id, site),
        told,
        moment(record.expires_at, site.now),
        moment(record.renewed_at, site.now),
        moment(row.last_notified_at, site.now),
        order(site, "Resync", "resync", record.mailbox_id, _whose(record.mailbox_id, site)),
    )


def quarantines_content(page: Page[Quarantine], site: Site, *, after: str) -> Markup:
    shown = quarantines_table(page.rows, site) if page.rows else tag("p", "None.", class_="good")
    return section(
        "quarantines", "Mailboxes set aside", shown, pages(site, "quarantines", page.following, is_first=not after)
    )


def quarantines_table(rows: Sequence[Quarantine], site: Site) -> Markup:
    return table(
        "Nothing is changed in these. One that cannot be reached is probed again by itself.",
        ("Mailbox of", "Reason", "Since", "Next probe", "Action"),
        [
            (
                mailbox_link(one.mailbox_id, site),
                one.reason,
                moment(one.since, site.now),
                moment(one.probe_at, site.now) if one.kind is QuarantineKind.UNREACHABLE else "when it is switched off",
                order(site, "Resync", "resync", one.mailbox_id, _whose(one.mailbox_id, site)),
            )
            for one in rows
        ],
    )


def letters_content(error_class: str, page: Page[DeadLetter], site: Site, *, after: str) -> Markup:
    if not page.rows:
        return section("letters", error_class, tag("p", "There are no such dead letters.", class_="good"))
    return section(
        "letters",
        error_class,
        tag("p", tag("strong", "What to do: "), page.rows[0].mend),
        tag("p", order(site, f"Replay all of {error_class}", "replay-class", error_class, "")),
        letters_table(f"Dead letters of class {error_class}", page.rows, site),
        pages(site, "letters", page.following, not after, **{"class": error_class}),
    )


def letters_table(caption: str, letters: Sequence[DeadLetter], site: Site) -> Markup:
    return table(caption, ("About", "Reason", "Given up", "Action"), [_letter_row(letter, site) for letter in letters])


def _letter_row(letter: DeadLetter, site: Site) -> tuple[object, ...]:
    return (
        _about(letter, site),
        letter.reason,
        moment(letter.at, site.now),
        order(site, "Replay", "replay-letter", letter.letter_id, f"letter {letter.letter_id}"),
    )


def _about(letter: DeadLetter, site: Site) -> Markup:
    """What a letter is about, with the way to its story, and whether it came back from a replay."""
    try:
        item = item_from_text(letter.item)
    except InvalidPayload:
        return code(letter.letter_id)
    if isinstance(item, BookingChange):
        subject = joined(["booking ", story_link(site, code(item.booking_id), item.booking_id)])
    elif isinstance(item, EventChange):
        subject = event_link(item.mailbox_id, item.event_id, site)
    elif letter.mailbox_id:
        subject = joined(["mailbox ", mailbox_link(letter.mailbox_id, site)])
    else:
        subject = code(letter.letter_id)
    if item.source is not Source.REPLAY:
        return subject
    return lines(subject, tag("span", "came back after a replay: its cause persists", class_="bad"))


def conflicts_content(page: Page[Conflict], site: Site, *, after: str) -> Markup:
    shown = conflicts_table(page.rows, site) if page.rows else tag("p", "None.", class_="good")
    return section("conflicts", "Conflicts", shown, pages(site, "conflicts", page.following, is_first=not after))


def conflicts_table(conflicts: Sequence[Conflict], site: Site) -> Markup:
    return table(
        "Both sides were changed; one value stands, the other was overwritten.",
        ("Booking", "When", "Stands", "Was overwritten", "Why", "Action"),
        [_conflict_row(one, site) for one in conflicts],
    )


def _conflict_row(conflict: Conflict, site: Site) -> tuple[object, ...]:
    other = _SIDES[conflict.winner.other]
    return (
        story_link(site, code(conflict.booking_id), conflict.booking_id),
        moment(conflict.at, site.now),
        lines(span_words(conflict.stands), tag("span", f"of {_SIDES[conflict.winner]}", class_="quiet")),
        lines(span_words(conflict.lost), tag("span", f"of {other}", class_="quiet")),
        conflict.reason.replace("-", " "),
        order(site, f"Take {other}\N{RIGHT SINGLE QUOTATION MARK}s", "take", conflict.conflict_id, "value instead"),
    )


def span_words(span: TimeSpan) -> str:
    """A span for people, in UTC; the day once where it is one day."""
    is_one_day = span.start_at.date() == span.end_at.date()
    end = f"{span.end_at:%H:%M}" if is_one_day else f"{span.end_at:%Y-%m-%d %H:%M}"
    return f"{span.start_at:%Y-%m-%d %H:%M} to {end}"
