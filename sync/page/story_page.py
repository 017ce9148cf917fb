"""One item's story: what it is, why it is as it is, and what happened to it. Pure."""

from markupsafe import Markup

from sync.core.diagnosis import Diagnosis, Result
from sync.core.journal import JournalEntry
from sync.core.mailboxes import BOOKINGS
from sync.page.html import Site, lines, notice, order, story_link
from sync.page.lists import mailbox_link, span_words
from sync.page.markup import NOTHING, code, joined, length, moment, section, table, tag
from sync.service.story import Story, Subject

_RESULTS = {Result.PASS: "good", Result.WARN: "bad", Result.FAIL: "bad", Result.UNKNOWN: "quiet"}


def story_content(story: Story, diagnosis: Diagnosis | None, site: Site) -> Markup:
    """`diagnosis` is the booking's; without a story, an appointment's."""
    if story.people:
        found = [tag("li", mailbox_link(person.mailbox_id, site)) for person in story.people]
        return section("people", "Who is meant?", tag("p", story.hint), tag("ul", *found))
    if story.subject is None and diagnosis is not None:
        return _diagnosis(diagnosis)
    if story.subject is None:
        return notice("Not found", story.hint, is_bad=True)
    return joined([_what_it_is(story, site), _diagnosis(diagnosis) if diagnosis else NOTHING, _entries(story, site)])


def _what_it_is(story: Story, site: Site) -> Markup:
    rows: list[tuple[object, object]] = []
    if story.booking_id:
        rows.append(("Booking", story_link(site, code(story.booking_id), story.booking_id)))
    if story.event_id:
        rows.append(("Event", code(story.event_id)))
    if story.link is not None:
        rows.append(("In the calendar of", mailbox_link(story.link.mailbox_id, site)))
        rows.append(("Both sides agreed on", span_words(story.link.agreed)))
        rows.append(("Status when they did", story.link.phase))
    if story.subject is Subject.MAILBOX:
        (mailbox_id,) = story.mailbox_ids
        rows.append(("Person", site.names.get(mailbox_id) or "not a technician in Dynamics"))
        rows.append(("Mailbox", code(mailbox_id)))
    orders = [
        tag("p", order(site, "Resync", "resync", mailbox_id, f"mailbox {mailbox_id}"))
        for mailbox_id in story.mailbox_ids
        if story.subject is Subject.MAILBOX
    ]
    title = f"The {story.subject}"
    return section("item", title, table("What the app remembers of it", ("What", "Value"), rows), *orders)


def _diagnosis(diagnosis: Diagnosis) -> Markup:
    rows = [
        (
            finding.title,
            tag("span", finding.result, class_=_RESULTS[finding.result]),
            finding.seen,
            lines(finding.meaning, tag("strong", f"Mend: {finding.mend}")) if finding.mend else finding.meaning,
        )
        for finding in diagnosis.findings
    ]
    return section(
        "diagnosis",
        "Diagnosis",
        tag("p", diagnosis.subject, class_="quiet"),
        tag("p", tag("strong", diagnosis.verdict)),
        tag("p", diagnosis.next_step),
        table("What the verdict rests on", ("Rule", "Result", "Seen", "What it means"), rows),
    )


def _entries(story: Story, site: Site) -> Markup:
    title = "What happened"
    if not story.entries:
        return section("story", title, tag("p", "The journal tells nothing of it. It is kept for 90 days."))
    caption = "The newest first. Calls are those that were made to Graph and Dataverse."
    heads = ("When", "What came", "What was done", "Change", "Took", "Calls", "Correlation")
    return section("story", title, table(caption, heads, [_entry_row(one, story, site) for one in story.entries]))


def _entry_row(entry: JournalEntry, story: Story, site: Site) -> tuple[object, ...]:
    """On a mailbox's page each entry leads to its own item's story, on a booking's to whose calendar it was in."""
    done = [tag("strong", entry.action), *filter(None, [entry.reason])]
    if entry.former_mailbox_id:
        done.append(joined(["came from ", mailbox_link(entry.former_mailbox_id, site)]))
    calls = ", ".join(f"{name} {count}" for name, count in entry.calls.items())
    came: object = entry.source
    if story.subject is Subject.MAILBOX and entry.booking_id:
        came = lines(entry.source, story_link(site, "its booking", entry.booking_id))
    elif story.subject is Subject.MAILBOX and entry.event_id:
        came = lines(entry.source, story_link(site, "its event", entry.event_id, entry.mailbox_id))
    elif story.subject is Subject.BOOKING and entry.mailbox_id != BOOKINGS:
        came = lines(entry.source, mailbox_link(entry.mailbox_id, site))
    return (
        moment(entry.at, site.now),
        came,
        lines(*done),
        f"{entry.before} \N{RIGHTWARDS ARROW} {entry.after}" if entry.after else entry.before,
        lines(
            length(max(0.0, (entry.at - entry.received_at).total_seconds())),
            tag("span", f"of it {entry.duration_ms} ms work", class_="quiet"),
        ),
        code(calls) if calls else "none",
        code(entry.correlation_id),
    )
