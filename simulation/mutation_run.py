"""Plays histories with the app broken on purpose, one mutation after the other, until one of them notices."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from simulation.farm import Farm
from simulation.history import plan_history
from simulation.mutations import MUTATIONS, Mutation


@dataclass(frozen=True, slots=True)
class Notice:
    """How many histories it took, the seed of the first that noticed (the one in order), and what it said."""

    histories: int
    seed: int
    sentence: str


def notice(mutation: Mutation, seeds: Sequence[int], workers: int) -> Notice | None:
    """None when no history noticed."""
    with Farm(workers, mutation.apply) as farm:
        for played, report in enumerate(farm.play_all(plan_history(seed) for seed in seeds), 1):
            if report.broken:
                return Notice(played, report.seed, report.broken[0])
    return None


def show_mutations(console: Console, seeds: Sequence[int], workers: int) -> int:
    """A table in Markdown, as docs/proof.md has it. 1 when a mutation went unnoticed."""
    console.print(
        "| mutation | what the app then does | noticed after | seed | first sentence |\n|---|---|---|---|---|"
    )
    unnoticed = 0
    for mutation in MUTATIONS.values():
        found = notice(mutation, seeds, workers)
        unnoticed += found is None
        cells = (f"{found.histories}", f"{found.seed}", found.sentence) if found else (f"not in {len(seeds)}", "", "")
        console.print(f"| {mutation.name} | {mutation.breaks} | {' | '.join(cells)} |", markup=False)
    return 1 if unnoticed else 0
