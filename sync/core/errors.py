"""Every failure has a class, and the class says what the queue does with the item.

SyncError
├─ ConfigurationError      refuse to start; lists every problem at once
├─ RejectedRequest         a caller's request is answered with 4xx
├─ TransientError          the item goes back to the queue, delayed, and does not count towards poison
│  ├─ Throttled            429, or 503 with a stated wait; `retry_after_seconds` is obeyed
│  ├─ ServiceUnavailable   5xx, time-out, connection lost
│  ├─ DoorDidNotAnswer     Graph could not validate our notification URL
│  ├─ PreconditionFailed   412: read again and decide again, at most three times, then back to the queue
│  ├─ Busy                 another worker is at the same event
│  ├─ StaleRead            the service showed an older state than it had promised
│  └─ UnknownAsYet         the service does not show yet what we have just made
├─ DeltaTokenExpired       410, or a delta link that is refused otherwise: full round of that calendar
├─ MailboxUnavailable      the mailbox is quarantined with its reason; nothing is cancelled
└─ PermanentError          retrying cannot help: straight to the dead letters, with reason and mend
   ├─ NotFound             for a direct read; the service turns it into "gone"
   ├─ AlreadyExists        409 on create: adopt what is there
   ├─ AccessDenied         401 or 403 that is not about one mailbox: every item will follow, so they wait like in an
   │                       outage, until a person has mended it; after a day, to the dead letters
   ├─ Refused              the other side understood and said no (a plug-in, a validation)
   ├─ InvalidPayload       the other side sent what we cannot read
   ├─ EndlessRound         Graph does not bring a calendar's round to its end
   └─ BreakerHeld          too many deletions in one mailbox: held until a person looks

An error carries operation, status, service code and request id; never a body, a subject or a token.
"""

from collections.abc import Sequence


class SyncError(Exception):
    """Root of everything that this app raises on purpose."""

    mend = "See the journal for the item's story."
    """What an administrator can do about it."""

    mailbox_id = ""
    """The mailbox that it is about, where it is about one."""

    def __init__(
        self, message: str, *, operation: str = "", status: int | None = None, code: str = "", request_id: str = ""
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.status = status
        self.code = code
        self.request_id = request_id

    @property
    def reason(self) -> str:
        """One line for the journal and the dead letters."""
        details = [str(part) for part in (self.operation, self.status, self.code) if part]
        return f"{self.args[0]} ({', '.join(details)})" if details else str(self.args[0])


class ConfigurationError(SyncError):
    """The settings are incomplete or wrong."""

    mend = "Correct the settings that the message lists, then restart."

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(["The settings are not usable:", *(f"  - {problem}" for problem in problems)]))
        self.problems = tuple(problems)


class RejectedRequest(SyncError):
    """A request to our own door that is answered with a 4xx; `status` is that answer."""

    mend = "The caller must send what the service's documentation describes."

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message, status=status)
        self.http_status = status


class TransientError(SyncError):
    """It may work later. `retry_after_seconds` is the wait the service asked for; None leaves it to us."""

    mend = "Nothing: the item is tried again by itself."

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        status: int | None = None,
        code: str = "",
        request_id: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, operation=operation, status=status, code=code, request_id=request_id)
        self.retry_after_seconds = retry_after_seconds


class Throttled(TransientError):
    """The service asked us to slow down."""


class ServiceUnavailable(TransientError):
    """The service failed, timed out or could not be reached. Whether the request had an effect is unknown."""


class DoorDidNotAnswer(TransientError):
    """Graph called our notification URL to validate it and got no good answer in time."""

    mend = "Check that the app answers at PUBLIC_URL from the internet; keep one instance always ready."


class PreconditionFailed(TransientError):
    """Somebody else wrote first (412)."""


class Busy(TransientError):
    """Another worker holds the lease of the same event."""


class StaleRead(TransientError):
    """The service answered with an older state than a notification promised, or contradicted itself."""


class UnknownAsYet(TransientError):
    """Reads do not show yet an event that we have just made."""


class DeltaTokenExpired(SyncError):
    """The delta token is no longer known to the service; a full round is needed."""


class MailboxUnavailable(SyncError):
    """The mailbox exists for others or for nobody, but not for us. Says nothing about any event in it."""

    mend = "Give the app access to the mailbox (or license it); work resumes by itself, with a full sweep."


class PermanentError(SyncError):
    """Trying again cannot help."""


class NotFound(PermanentError):
    """The row or item is not there."""


class AlreadyExists(PermanentError):
    """What should be created exists."""


class AccessDenied(PermanentError):
    """The app's identity may not do this, for any item."""

    mend = (
        "Check the app's permissions (docs/deploy.md). Items wait a day for them; replay what was given up after that."
    )


class Refused(PermanentError):
    """The service understood the request and refused it."""

    mend = "Remove the cause that the reason names (a plug-in, a rule), then replay the item."


class InvalidPayload(PermanentError):
    """A body that does not have the documented shape."""

    mend = "Report it with the journal row: the service answered outside its documentation."


class EndlessRound(PermanentError):
    """Graph does not bring a round over a calendar to its end: pages repeat, or it refuses the links that it gave."""

    mend = (
        "Every sweep tries again by itself, and notifications carry the mailbox's changes meanwhile. If it lasts for"
        " days, report it to Microsoft; it is known of calendars with many series. Replay the letter when it is over."
    )


class BreakerHeld(PermanentError):
    """More deletions in one mailbox than the breaker lets pass."""

    mend = "Look at the mailbox. If the deletions are meant: python -m sync release MAILBOX."
