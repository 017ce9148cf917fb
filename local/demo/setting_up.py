"""The first chapter: what setup did in Dynamics before the story began."""

import json
from typing import Any

from local.demo.page import Page
from local.demo.stage import DemoStage

_POST_OPERATION, _ASYNCHRONOUS = 40, 1


def the_plan(stage: DemoStage, page: Page) -> None:
    page.chapter(
        "Setup: what the app needs in Dynamics",
        """Before anything else, an administrator runs `python -m sync setup`. It looks what is there, shows what is
        missing with the very requests, and then does it. In short, its plan was:""",
    )
    plan = stage.plan
    page.table(("", "creates", "why"), [(str(n), _what(entry), entry["why"]) for n, entry in enumerate(plan, 1)])
    page.holds(all(entry["outcome"] == "done" for entry in plan), f"all {len(plan)} were done", plan)
    steps = [request["body"] for entry in plan if entry["kind"] == "step" for request in entry["requests"]]
    page.holds(
        bool(steps) and all((one["stage"], one["mode"]) == (_POST_OPERATION, _ASYNCHRONOUS) for one in steps),
        "each step runs after its operation and asynchronously: no dispatcher waits for the app",
        steps,
    )
    secret = stage.world.environment["DATAVERSE_WEBHOOK_SECRET"]
    page.holds(secret not in json.dumps(plan), "and what is shown holds no secret")
    with page.waiting("looking again"):
        left = stage.world.run_command("--json", "setup", "--dry-run")
    page.holds(left == "", "a second look finds nothing left to do", left)
    stage.take_calls()  # A command's calls are none of the chapters' to come.


def _what(entry: dict[str, Any]) -> str:
    return f"{entry['kind']} {entry['name']}".replace("bookableresourcebooking", "bookings").replace(
        "msdyn_workorder", "work orders"
    )
