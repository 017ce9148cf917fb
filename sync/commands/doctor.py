"""`doctor`: checks a deployment from end to end, and says of each finding what to do about it."""

import argparse
import shutil
import textwrap
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, replace
from uuid import uuid4

from sync import bootstrap
from sync.commands.console import Console, console_for
from sync.commands.setup import wanted_of, webhook_url
from sync.core.diagnosis import Finding, Result
from sync.core.doctor import judge_settings
from sync.core.errors import ConfigurationError
from sync.service.canary import Flight, fly_canary
from sync.service.checkup import Deployment, examine

FAILED = 3
_WIDEST = 110


async def doctor(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    chosen, report = bootstrap.settings(), Report(console_for(options))
    for finding in judge_settings([]):
        report.tell(finding)
    deployment = Deployment(
        webhook_url=webhook_url(chosen),
        webhook_secret=chosen.webhook_secrets[0],
        wanted=wanted_of(chosen),
        client_id=options.app or chosen.identity_client_id,
    )
    findings = examine(deployment, bootstrap.environment(), bootstrap.probes(), shop.ports, shop.rules)
    await report.follow(findings)
    if options.canary:
        flight = Flight(
            mailbox_id=options.canary.lower(),
            booking_id=str(uuid4()),
            tell=report.tell,
            waiting=report.console.progress,
            sleep=report.console.sleep,
        )
        await fly_canary(flight, bootstrap.canary_bookings(), shop.ports, shop.rules)
    return report.end()


def tell_bad_settings(options: argparse.Namespace, error: ConfigurationError) -> int:
    """With settings that are not usable nothing else can be checked."""
    report = Report(console_for(options))
    for finding in judge_settings(error.problems):
        report.tell(finding)
    return report.end()


class Report:
    """Tells findings as they come, and counts them."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._counts: Counter[Result] = Counter()
        self._last: Finding | None = None

    async def follow(self, findings: AsyncIterator[Finding]) -> None:
        self.console.progress("checking ...")
        async for finding in findings:
            self.tell(finding)
            self.console.progress("checking ...")

    def tell(self, finding: Finding) -> None:
        self._counts[finding.result] += 1
        self.console.emit(asdict(finding))
        self.console.wipe()
        for line in _lines(finding, self._last):
            self.console.say(line)
        self._last = finding

    def end(self) -> int:
        """The exit code."""
        self.console.wipe()
        counts = {str(result): self._counts[result] for result in Result if self._counts[result]}
        self.console.say(f"\n{', '.join(f'{name} {count}' for name, count in counts.items())}")
        self.console.emit({"counts": counts, "is_well": not self._counts[Result.FAIL]})
        return FAILED if self._counts[Result.FAIL] else 0


def _lines(finding: Finding, last: Finding | None) -> Iterable[str]:
    """What passes is one sentence; what does not says what was seen instead, what it means and what to do.

    Where only what was seen is another than in the `last`, only that is said.
    """
    if last is not None and replace(last, seen=finding.seen) == finding:
        yield from _wrapped("      seen   ", finding.seen)
        return
    if finding.result is Result.PASS:
        yield from _wrapped(f"{finding.result:<6}", f"{finding.title}: {finding.seen}")
        return
    yield from _wrapped(f"{finding.result:<6}", finding.title)
    for name, text in (("seen", finding.seen), ("means", finding.meaning), ("do", finding.mend)):
        if text:
            yield from _wrapped(f"      {name:<7}", text)


def _wrapped(begin: str, text: str) -> list[str]:
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    return textwrap.wrap(
        text,
        width,
        initial_indent=begin,
        subsequent_indent=" " * len(begin),
        break_long_words=False,
        break_on_hyphens=False,
    )
