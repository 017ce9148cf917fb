"""What `--help` teaches about each command: what it is for, what it changes and what not, and examples to copy."""

import argparse
from dataclasses import dataclass
from textwrap import fill

_WIDTH = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """`text` is one line for the list of commands. `examples` are what stands behind `python -m sync`, and why."""

    text: str
    changes: str
    examples: tuple[tuple[str, str], ...]


_MAILBOX = "a1cef625-aec3-5964-9a58-329833c973cb"
_BOOKING = "0b0f6a5e-3b1f-4f11-840a-000d3a111111"

HELP = {
    "status": Help(
        text="show how the sync is doing, with the figures of the status page",
        changes="Changes nothing. Counts everything anew, which takes a second or two with 10,000 mailboxes.",
        examples=(
            ("status", "for people"),
            ("--json status", "for programs, one object"),
        ),
    ),
    "subscriptions": Help(
        text="list each mailbox's subscription: standing, end, last notification, reason",
        changes="Changes nothing. Mailboxes that are set aside have none, and come last.",
        examples=(
            ("subscriptions --troubled", "only what a person should look at; ends with 1 when that is nothing"),
            ("--json subscriptions | head", "lines come as they are read"),
        ),
    ),
    "conflicts": Help(
        text="list what both sides changed, and take the side that lost",
        changes=(
            "Listing changes nothing. --take writes the booking in Dynamics, if neither side was changed since; the "
            "app then brings the event along as after any move. Nobody gets a mail. Asking again changes nothing more."
        ),
        examples=(
            ("conflicts", "with both values, newest first; those that were taken are left out"),
            (f"conflicts --booking {_BOOKING} --all", "of one booking, also what was taken"),
            ("conflicts --take 3f9a1c2b4d5e", "give both sides the value that lost"),
        ),
    ),
    "diagnose": Help(
        text="say why a booking's event is as it is, or why no invitation was sent",
        changes=(
            "Changes nothing. It reads both sides and what the app remembers, and holds every rule against what it "
            "sees. A record is named by its id or by the address of its form in Dynamics."
        ),
        examples=(
            (f"diagnose booking {_BOOKING}", "link, both sides, last notifications, what happens next"),
            ("diagnose appointment 'https://contoso.crm4.dynamics.com/main.aspx?etn=...&id=...'", "in quotes"),
        ),
    ),
    "resync": Help(
        text="look at a whole mailbox anew: a full round, and each visit of the window",
        changes=(
            "Forgets how far the mailbox's sweep has come, and queues work: two or three reads for each visit. Only "
            "what differs is written, by the ordinary rules; a mailbox in order comes out as it was. It also probes a "
            "mailbox that is set aside."
        ),
        examples=(
            (f"resync {_MAILBOX}", "when a calendar does not look right"),
            (f"journal {_MAILBOX}", "what came of it"),
        ),
    ),
    "replay": Help(
        text="give dead letters another life",
        changes=(
            "Queues them again and takes them off the list. Whatever they were about is read afresh, so an old letter "
            "does no harm. Where the cause is still there, they come back."
        ),
        examples=(
            ("letters", "first look at reason and mend"),
            ("replay --class Refused", "then replay what was mended"),
        ),
    ),
    "letters": Help(
        text="list the dead letters, with reason and mend",
        changes="Changes nothing.",
        examples=(("letters --class AccessDenied", "those of one class"),),
    ),
    "journal": Help(
        text="tell what happened in a mailbox or to a booking, newest first",
        changes="Changes nothing. Without a mailbox it asks Dataverse where the booking is, if the app does not know.",
        examples=(
            (f"journal --booking {_BOOKING}", "the story of one booking"),
            (f"journal {_MAILBOX} --limit 10", "the newest of one mailbox"),
        ),
    ),
    "sweep": Help(
        text="queue a sweep of mailboxes now",
        changes="Queues work, and changes only what differs. --full forgets the cursor and reads the whole window.",
        examples=(
            (f"sweep {_MAILBOX}", "one mailbox; resync also looks at its bookings"),
            ("sweep", "all of them, spread over minutes; also after an outage"),
        ),
    ),
    "release": Help(
        text="let a held breaker pass deletions for an hour, and replay what it held",
        changes="Lets deletions happen that the app held back. Look first: python -m sync status, then the calendar.",
        examples=(
            (f"release {_MAILBOX}", "one mailbox"),
            ("release bookings", "the breaker of the whole table of bookings"),
        ),
    ),
    "doctor": Help(
        text="check the deployment from end to end, and say what to do about each finding",
        changes=(
            "Changes nothing without --canary. It runs as you, and says where it could not look as the app. With "
            "--canary a test booking is made in the mailbox, two nights ahead, and followed to Outlook, back, and "
            "away; it is taken away again whatever happens. Nobody gets a mail."
        ),
        examples=(
            ("doctor", "ends with 0 when nothing fails"),
            ("doctor --app CLIENT_ID", "holds the app's rights in Dataverse against what it needs, not yours"),
            (f"doctor --canary {_MAILBOX}", "the whole way, with the seconds it takes"),
        ),
    ),
    "setup": Help(
        text="bring into Dataverse what the app needs there; the first time, begin the backfill",
        changes=(
            "Makes a solution with columns, a key, an endpoint and steps in Dataverse, shows each request first, and "
            "takes nothing away that it did not make. Run it as often as you like: it does what is missing."
        ),
        examples=(
            ("setup --dry-run", "show everything, do nothing"),
            ("setup", "do it"),
        ),
    ),
    "backfill": Help(
        text="have the app look at every booking of the window, and watch",
        changes="Queues work: each booking that has no event gets one. Ctrl-C stops the watching, not the work.",
        examples=(
            ("backfill", "goes on where an earlier one stood"),
            ("backfill --restart --no-wait", "anew, without watching"),
        ),
    ),
    "remove": Help(
        text="take out of Dataverse what setup made",
        changes=(
            "Deletes subscriptions, steps, columns and, if asked to, the app's events of visits to come. Bookings "
            "stay. Stop the app first."
        ),
        examples=(
            ("remove --events leave --dry-run", "show what would go"),
            ("remove --events remove", "also the events in the calendars"),
        ),
    ),
}


class TeachingFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of descriptions and examples as they were written."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)


@dataclass(frozen=True, slots=True)
class Described:
    """A command's help as argparse takes it."""

    text: str
    description: str
    epilog: str


def describe(name: str) -> Described:
    told = HELP[name]
    summary = f"{told.text[0].upper()}{told.text[1:]}."
    examples = "\n".join(f"  python -m sync {example}\n      {why}" for example, why in told.examples)
    return Described(told.text, f"{fill(summary, _WIDTH)}\n\n{fill(told.changes, _WIDTH)}", f"examples:\n{examples}")
