"""Plays histories with the app broken on purpose, one mutation after the other, until one of them notices."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched

from rich.console import Console

from simulation.farm import Farm
from simulation.mutations import MUTATIONS, Mutation
from simulation.planning import plan_history

AT_ONCE = 20

BROKEN_ITSELF = ("Error", "could not be played", "the simulation failed")
"""A mutation that does not even run says nothing about the claims."""


@dataclass(frozen=True, slots=True)
class Notice:
    """How many histories it took, the seed of the first that noticed (the one in order), and what it said."""

    histories: int
    seed: int
    sentence: str


def notice(mutation: Mutation, seeds: Sequence[int], workers: int) -> Notice | None:
    """None when no history noticed. The same in every run: the first seed in order counts, not the first to come in."""
    with Farm(workers, mutation.apply) as farm:
        for some in batched(seeds, AT_ONCE, strict=False):
            reports = sorted(farm.play_all(map(plan_history, some)), key=lambda report: report.seed)
            for report in reports:
                if told := [one for one in report.broken if not any(word in one for word in BROKEN_ITSELF)]:
                    return Notice(report.seed - seeds[0] + 1, report.seed, told[0])
    return None


def show_mutations(console: Console, names: Sequence[str], seeds: Sequence[int], workers: int) -> int:
    """A table in Markdown, as docs/proof.md has it; of all mutations where none is named. 1 when one went unnoticed."""
    console.print(
        "| mutation | what the app then does | noticed after | seed | first sentence |\n|---|---|---|---|---|"
    )
    unnoticed = 0
    for mutation in [MUTATIONS[name] for name in names] or MUTATIONS.values():
        found = notice(mutation, seeds, workers)
        unnoticed += found is None
        cells = (f"{found.histories}", f"{found.seed}", found.sentence) if found else (f"not in {len(seeds)}", "", "")
        console.print(f"| {mutation.name} | {mutation.breaks} | {' | '.join(cells)} |", markup=False)
    return 1 if unnoticed else 0
