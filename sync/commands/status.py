"""`status`: how the sync is doing, with the same figures as the status page."""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from sync import bootstrap
from sync.commands.printing import as_text
from sync.core.convergence import Convergence
from sync.core.mailboxes import Quarantine, QuarantineKind
from sync.core.work import POISON_SUFFIX
from sync.service.board import Board, WaitingItem, read_board


async def status(options: argparse.Namespace, shop: bootstrap.Workshop) -> int:
    """Everything that a person should look at, and what is well."""
    board = await read_board(shop.ports, bootstrap.gauge(), is_fresh=True)
    if options.json:
        print(json.dumps(asdict(board), default=as_text))
        return 0
    for line in _lines(board):
        print(line)
    return 0


def _lines(board: Board) -> Iterator[str]:
    """A name and its value each; what belongs to the line above is indented."""
    census = board.census
    yield f"convergence: in 24 hours {_convergence(board.day)}"
    yield f"  since {board.hour_since:%H:%M} UTC {_convergence(board.hour)}"
    yield f"not yet equal: {_oldest(board.oldest, board.at)}"
    yield f"queues: {_counts({name: n for name, n in board.queues.items() if n or not name.endswith(POISON_SUFFIX)})}"
    yield f"subscriptions: {_counts(census.subscriptions)}"
    yield f"next subscription to end: {_next_end(board)}"
    troubled = [f"{one.record.mailbox_id}: {one.record.standing}, {one.record.reason}" for one in board.troubled]
    yield from _listed("subscriptions in trouble", troubled, len(census.troubled), "subscriptions --troubled")
    aside = [f"{one.mailbox_id}: {one.reason}{_probe(one)}" for one in board.quarantines.rows]
    yield from _listed("quarantined", aside, census.quarantined, "subscriptions --troubled")
    holding = [f"{one.mailbox_id}: {one.held} deletions since {as_text(one.held_since)}" for one in board.breakers]
    yield from _listed("breakers holding", holding, len(census.holding), "release MAILBOX, once you have looked")
    yield f"conflicts: {_conflicts(board)}"
    yield f"dead letters: {_counts(census.letters)}"
    for letters in board.letters:
        yield f"  {letters.error_class}: {letters.letters[0].mend}"


def _convergence(seen: Convergence) -> str:
    if seen.p50 is None:
        times = "no change"
    else:
        changes = f"{seen.changes:,} change{'' if seen.changes == 1 else 's'}"
        times = f"{changes}, half within {seen.p50:g} s, 95 % within {seen.p95:g} s, 99 % within {seen.p99:g} s"
    return f"{times}; {seen.swept:,} found by sweeps" if seen.swept else times


def _oldest(oldest: WaitingItem | None, now: datetime) -> str:
    if oldest is None:
        return "nothing"
    what = f"booking {oldest.booking_id}" if oldest.booking_id else f"mailbox {oldest.mailbox_id}"
    seconds = (now - oldest.received_at).total_seconds()
    why = f" ({oldest.reason})" if oldest.reason else ""
    return f"{what}, for {seconds:,.0f} s{why} [{oldest.correlation_id}]"


def _next_end(board: Board) -> str:
    if not board.expiring:
        return "none"
    row = board.expiring[0]
    return f"{as_text(row.record.expires_at)}, of {row.record.mailbox_id}"


def _probe(quarantine: Quarantine) -> str:
    """When a mailbox is asked again; one that answers is not."""
    is_probed = quarantine.kind is QuarantineKind.UNREACHABLE
    return f", next probe {as_text(quarantine.probe_at)}" if is_probed else ""


def _conflicts(board: Board) -> str:
    count = len(board.conflicts.rows)
    more = " or more" if board.conflicts.following else ""
    return f"{count}{more} (python -m sync conflicts)" if count else "none"


def _listed(name: str, lines: Sequence[str], total: int, command: str) -> Iterator[str]:
    """Those that the board names, and how to see the rest."""
    if not lines:
        yield f"{name}: none"
        return
    yield f"{name}: {max(total, len(lines)):,} (python -m sync {command})"
    yield from (f"  {line}" for line in lines)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"
