"""Finding the processes of a local world, for tests that kill them."""

import subprocess


def process_with(arguments: str) -> int:
    """The id of the one process with these arguments; its guard, which carries the same ones, does not count."""
    listing = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    [found] = [line for line in listing.splitlines() if arguments in line and "child.py" not in line]
    return int(found.split()[0])
