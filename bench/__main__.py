"""`./dev bench`: measurements, each figure beside one that it is to be compared with.

What is measured thoroughly is written to docs/benchmarks.md, too, part by part.
"""

import argparse
import logging
import os
import platform
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NoReturn

from rich.console import Console

from bench.document import section_of, write_section
from bench.errors import MeasurementFailed
from bench.findings import Findings
from bench.parts import PARTS
from bench.terminal import show_findings, show_summary
from local.azurite import AzuriteMissingError
from local.child import ChildFailedError
from local.world import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    # The technician without a mailbox is reported at every start
    logging.getLogger("sync").setLevel(logging.CRITICAL)
    console = Console(highlight=False)
    console.print(_machine())
    try:
        measured = {name: _measure(name, console, is_quick=options.quick) for name in options.part or PARTS}
    except (AzuriteMissingError, ChildFailedError, MeasurementFailed) as error:
        console.print(f"./dev bench: {error}", style="red", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    show_summary(console, measured)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only a look, which is not written down")
    parser.add_argument("part", nargs="*", metavar="PART", help=f"only these of {', '.join(PARTS)}")
    options = parser.parse_args(arguments)
    if unknown := set(options.part) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return options


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _measure(name: str, console: Console, *, is_quick: bool) -> Findings:
    """Measure one part, show it and, unless it was but a look, write it down."""
    part = PARTS[name]
    if is_quick:
        findings = part.quick()
    else:
        machine = _machine()
        findings = part.thorough()
        write_section(DOCUMENT, name, section_of(findings, measured_on=machine), order=list(PARTS))
    show_findings(console, findings)
    return findings


def _machine() -> str:
    """What the figures are measured on, and when."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}{load}, "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    )


if __name__ == "__main__":
    sys.exit(main())
