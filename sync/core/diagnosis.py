"""What a diagnosis consists of: a verdict in words, and the findings that it rests on. Pure.

A diagnosis says why a thing is as it is. It is made of facts that somebody else has gathered, and changes nothing. What
could not be learnt is a fact of its own (`Unread`), so that a service that is down leaves a finding and not a gap.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import unquote

from sync.core.sides import TimeSpan


class Result(StrEnum):
    """How a rule came out."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule, held against what was seen.

    `rule` is a stable word that people search by, `title` what the rule asks for. `seen` is the value, `meaning` what
    it means for the question that was asked, `mend` what can be done about it, empty where there is nothing to mend.
    """

    rule: str
    title: str
    result: Result
    seen: str
    meaning: str
    mend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The answer to "why?" about one record.

    `verdict` is one sentence or two; `next_step` is what will happen by itself, or what to do. `is_found` is False when
    the service has no such record, None when it could not be asked.
    """

    subject: str
    verdict: str
    next_step: str
    findings: tuple[Finding, ...]
    is_found: bool | None = True


@dataclass(frozen=True, slots=True)
class Unread:
    """In place of a fact that could not be learnt: why not."""

    reason: str


type Fact[T] = T | Unread


@dataclass(frozen=True, slots=True)
class Question:
    """A rule that is about to be held against what was seen, and the answers that there are. See `Finding`."""

    rule: str
    title: str

    def passed(self, seen: str, meaning: str) -> Finding:
        return self._finding(Result.PASS, seen, meaning)

    def failed(self, seen: str, meaning: str, mend: str) -> Finding:
        return self._finding(Result.FAIL, seen, meaning, mend)

    def warned(self, seen: str, meaning: str, mend: str) -> Finding:
        """Of what works, or may work, and deserves a look."""
        return self._finding(Result.WARN, seen, meaning, mend)

    def unknown(self, unread: Unread) -> Finding:
        """Of a rule about a fact that could not be read."""
        return self._finding(
            Result.UNKNOWN,
            f"could not be read: {unread.reason}",
            "Nothing is concluded from it.",
            "Mend what the reason names, or wait until the service answers; then ask again.",
        )

    def invisible(self, what: str, mend: str) -> Finding:
        """Of a rule about something that no service shows us."""
        return self._finding(
            Result.UNKNOWN, f"cannot be seen from here: {what}", "It may be the reason all the same.", mend
        )

    def _finding(self, result: Result, seen: str, meaning: str, mend: str = "") -> Finding:
        return Finding(rule=self.rule, title=self.title, result=result, seen=seen, meaning=meaning, mend=mend)


def failures(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.result is Result.FAIL]


class NotARecord(ValueError):
    """A text that names no record of the kind that was asked for. The message says what would."""


@dataclass(frozen=True, slots=True)
class RecordName:
    """The id that somebody gave, lower case, and the table that the address around it names; empty for none."""

    record_id: str
    table: str = ""


_GUID = re.compile(r"(?<![0-9a-f-])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-f-])")
_ID_PARAMETER = re.compile(rf"[?&#]id=\{{?({_GUID.pattern})\}}?(?=$|[&#])")
_TABLE_PARAMETER = re.compile(r"[?&#]etn=([a-z0-9_]+)")
_WEB_API = re.compile(rf"/([a-z0-9_]+)\(({_GUID.pattern})\)")


def record_name(text: str) -> RecordName:
    """The record that an id, the address of a form in Dynamics, or one of the Web API names, in any case.

    A form's address has the table as `etn` and the record as `id`, other ids besides. Raises `NotARecord`.
    """
    given = unquote(text.strip()).lower()
    if _GUID.fullmatch(given.strip("{}")):
        return RecordName(given.strip("{}"))
    if parameter := _ID_PARAMETER.search(given):
        table = _TABLE_PARAMETER.search(given)
        return RecordName(parameter[1], table[1] if table else "")
    if row := _WEB_API.search(given):
        return RecordName(row[2], row[1])
    wanted = "an id such as 0b0f6a5e-3b1f-4f11-840a-000d3a111111, or the address of its form, which has id=<id>"
    raise NotARecord(f"{text[:200]!r} names no record. Give {wanted}.")


def sentence(text: str) -> str:
    """`text` with a full stop at its end, where reasons of services have none."""
    return text if text.endswith(".") else f"{text}."


def moment_text(moment: datetime) -> str:
    """An aware time for people, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def span_text(span: TimeSpan) -> str:
    return f"{span.start_at:%Y-%m-%d %H:%M} to {moment_text(span.end_at)}"
