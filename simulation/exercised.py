"""What a run of histories has exercised: each deed, each ill and each decision, and what never came about."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from simulation.history import Deed, Ill
from sync.core.actions import Reason

UNREACHED = frozenset(
    {
        Reason.OUT_OF_SCOPE,  # a setting that histories do not change
        Reason.USER_DISABLED,  # nobody leaves the company
        Reason.MICROSOFT_SYNC,
        Reason.PAST_EVENT,  # visits begin five days ahead
        Reason.OUTSIDE_WINDOW,
    }
)
"""Reasons that no history can lead to; scenarios in tests/scenarios do."""


def missing(seen: Counter[str]) -> list[str]:
    """What could have happened and never did."""
    reasons = {reason for reason in Reason if any(key.endswith(f", {reason}") for key in seen)}
    return [
        *(str(deed) for deed in Deed if not seen[deed]),
        *(str(ill) for ill in Ill if not seen[ill]),
        *(str(reason) for reason in Reason if reason not in reasons and reason not in UNREACHED),
    ]


def show_exercised(console: Console, seen: Counter[str]) -> None:
    named = {*map(str, Deed), *map(str, Ill)}
    decisions = Counter({key: times for key, times in seen.items() if key not in named})
    _show(console, "What people did", [(str(deed), seen[deed]) for deed in Deed])
    _show(console, "What went wrong", [(str(ill), seen[ill]) for ill in Ill])
    _show(console, "What the app decided", decisions.most_common())


def _show(console: Console, title: str, counts: Sequence[tuple[str, int]]) -> None:
    console.print(f"\n{title}", style="bold")
    for name, times in counts:
        console.print(f"{times:>8,}  {name}", markup=False)
