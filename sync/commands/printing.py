"""How commands print values, for people and as JSON."""

import argparse
import json
import sys
from datetime import datetime
from typing import Any


def print_item(options: argparse.Namespace, data: dict[str, Any], text: str) -> None:
    """One line: `text`, or `data` as JSON where that is asked for."""
    print(json.dumps(data, default=as_text) if options.json else text)


def nothing(text: str) -> int:
    """The exit code of a command that has nothing to do."""
    print(text, file=sys.stderr)
    return 1


def as_text(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime) else str(value)
