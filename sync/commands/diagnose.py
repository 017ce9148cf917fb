"""`diagnose`: say in words why a booking's event is as it is, or why no invitation was sent. Changes nothing."""

import argparse
import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict

from sync import bootstrap
from sync.commands.printing import as_text
from sync.core.diagnosis import Diagnosis, Finding, NotARecord, Result, record_name
from sync.service.diagnosing import DynamicsRecords, diagnose_appointment, diagnose_booking

KINDS = ("booking", "appointment")

_KIND_OF_TABLE = {
    "bookableresourcebooking": "booking",
    "bookableresourcebookings": "booking",
    "appointment": "appointment",
    "appointments": "appointment",
    "serviceappointment": "appointment",
    "serviceappointments": "appointment",
}

_WIDEST = 120
_INDENT = " " * 9


async def diagnose(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    return await run_diagnose(options, shop, bootstrap.dynamics_records())


async def run_diagnose(options: argparse.Namespace, shop: bootstrap.Workshop, records: DynamicsRecords) -> int:
    """Answers 1 when there is no such record, 2 when the text names none, 3 when Dynamics could not be asked."""
    try:
        record_id = _record_id(options.record, options.kind)
    except NotARecord as error:
        print(error, file=sys.stderr)
        return 2
    if options.kind == "appointment":
        found = await diagnose_appointment(record_id, shop.ports, records)
    else:
        found = await diagnose_booking(record_id, shop.ports, shop.rules, records)
    if options.json:
        print(json.dumps(asdict(found), default=as_text))
    else:
        print("\n".join(_lines(found)))
    if found.is_found is None:
        return 3
    return 0 if found.is_found else 1


def _record_id(text: str, kind: str) -> str:
    """The id of a record of that kind. Raises `NotARecord`, also for the address of a record of another kind."""
    name = record_name(text)
    actual = _KIND_OF_TABLE.get(name.table, "") if name.table else kind
    if actual == kind:
        return name.record_id
    hint = f" Ask: python -m sync diagnose {actual} {name.record_id}" if actual else ""
    raise NotARecord(f"That is the address of a record of {name.table}, not of a record for `diagnose {kind}`.{hint}")


def _lines(diagnosis: Diagnosis) -> Iterator[str]:
    """The verdict, what comes next, and the findings: what fails first, then what is not known."""
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    yield diagnosis.subject
    yield from _wrapped(diagnosis.verdict, width)
    yield from _wrapped(f"Next: {diagnosis.next_step}", width)
    for result in (Result.FAIL, Result.WARN, Result.UNKNOWN, Result.PASS):
        for finding in diagnosis.findings:
            if finding.result is result:
                yield ""
                yield from _finding_lines(finding, width)


def _finding_lines(finding: Finding, width: int) -> Iterator[str]:
    yield f"{finding.result:<7}  {finding.title}  [{finding.rule}]"
    for name, text in (("seen", finding.seen), ("means", finding.meaning), ("mend", finding.mend)):
        if text:
            yield from _wrapped(text, width, f"{_INDENT}{name:<7}")


def _wrapped(text: str, width: int, head: str = "") -> list[str]:
    """Lines behind `head`. Ids stay whole, so that they can be copied."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
