"""What one work item came to, as the journal will show it."""

import logging
from dataclasses import dataclass

from sync.core.sides import TimeSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`action` and `reason` are stable words that people search by. `before` and `after` are times, never texts.

    `mailbox_id` where the item itself names none; `former_mailbox_id` where the booking came from, if from another.
    """

    action: str
    reason: str = ""
    mailbox_id: str = ""
    former_mailbox_id: str | None = None
    event_id: str | None = None
    booking_id: str | None = None
    before: str = ""
    after: str = ""
    is_news: bool = True
    """False for what would only fill the journal: the idle sweep, ninety-six times a day and mailbox."""
    error_class: str = ""
    """The class of the error that it came to, for telemetry; the journal has its sentence."""


def log_decision(logger: logging.Logger, decision: object) -> None:
    """Each decision of a run, for whoever follows one closely; the journal tells of the first step alone."""
    words, reason = action_words(type(decision)), getattr(decision, "reason", "")
    logger.debug("Decided: %s, %s", words, reason, extra={"action": "decided", "decision": words, "reason": reason})


def span_text(span: TimeSpan | None) -> str:
    """A span for people, in UTC; empty for none."""
    if span is None:
        return ""
    return f"{span.start_at:%Y-%m-%d %H:%M} to {span.end_at:%Y-%m-%d %H:%M} UTC"


def action_words(kind: type) -> str:
    """A kind of action as the journal shows it: `UpdateBooking` as `update-booking`."""
    name = kind.__name__
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
