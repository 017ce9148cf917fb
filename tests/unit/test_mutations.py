"""The ways to break the app on purpose break what is there: whoever renames a rule hears of it at once."""

import subprocess
import sys
from pathlib import Path

from simulation.mutations import MUTATIONS

BREAK = "import sys; from simulation.mutations import MUTATIONS; [MUTATIONS[name].apply() for name in sys.argv[1:]]"


def test_each_mutation_finds_what_it_breaks() -> None:
    """In a process that ends broken."""
    ended = subprocess.run(
        [sys.executable, "-c", BREAK, *MUTATIONS],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
