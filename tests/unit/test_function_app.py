"""The triggers: which there are, and that each hands on what it was given."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from sync import bootstrap
from sync.core.work import POISON_SUFFIX, QUEUES
from sync.core.work_items import BookingChange, WorkItem
from sync.service.intake import Door
from tests.unit.values import BOOKING_ID, NOW, TENANT

SAMPLE = json.loads((Path(__file__).parents[2] / "local.settings.sample.json").read_text())["Values"]
SECRET = "the-webhook-secret-in-use-32-characters"


@pytest.fixture(scope="module")
def functions() -> Iterator[dict[str, Any]]:
    """What the host finds in `function_app`, by name, with the sample's settings. It can be asked once per import."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SAMPLE.items():
            patch.setenv(name, value)
        patch.delitem(sys.modules, "function_app", raising=False)
        bootstrap.settings.cache_clear()
        app = importlib.import_module("function_app").app
        yield {function.get_function_name(): function for function in app.get_functions()}
        bootstrap.settings.cache_clear()


def bindings_of(functions: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: function.get_trigger().get_dict_repr() for name, function in functions.items()}


def test_every_queue_and_its_poison_queue_has_its_function(functions: dict[str, Any]) -> None:
    queues = [binding["queueName"] for binding in bindings_of(functions).values() if "queueName" in binding]
    assert sorted(queues) == sorted([*QUEUES, *(queue + POISON_SUFFIX for queue in QUEUES)])


def test_doors_open_to_posts_alone_and_the_status_page_asks_for_a_key(functions: dict[str, Any]) -> None:
    doors = {
        (binding["route"], method.value, binding["authLevel"].value)
        for binding in bindings_of(functions).values()
        if "route" in binding
        for method in binding["methods"]
    }
    assert doors == {
        ("graph/notifications", "POST", "anonymous"),
        ("graph/lifecycle", "POST", "anonymous"),
        ("dataverse/bookings", "POST", "anonymous"),
        ("status", "GET", "function"),
        ("status", "POST", "function"),
    }


def test_timers_go_by_the_schedules_that_are_set(functions: dict[str, Any]) -> None:
    schedules = {name: one["schedule"] for name, one in bindings_of(functions).items() if "schedule" in one}
    assert schedules == {
        "maintain_subscriptions": "%MAINTAIN_SCHEDULE%",
        "sweep_calendars": "%SWEEP_SCHEDULE%",
        "sweep_bookings": "%SWEEP_SCHEDULE%",
        "sweep_answers": "%SWEEP_SCHEDULE%",
    }


@pytest.mark.parametrize("header", ["x-bookingsync-secret", "X-BookingSync-Secret"])
async def test_the_secret_of_a_webhook_is_taken_from_its_header(
    functions: dict[str, Any], monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    kept: list[WorkItem] = []

    class Queue:
        async def put(self, item: WorkItem, *, delay_seconds: float = 0) -> None:  # noqa: ARG002
            kept.append(item)

        async def put_text(self, queue: str, text: str) -> None:
            raise AssertionError(f"the door queues items only, not {text} on {queue}")

    door = Door(
        secrets=[],
        tenant_id=TENANT,
        queue=Queue(),
        clock=lambda: NOW,
        new_id=lambda: "correlation-1",
        settle_seconds=0,
        webhook_secrets=[SECRET],
    )
    monkeypatch.setattr(bootstrap, "door", lambda: door)
    answer = await call(functions, "dataverse_bookings", {header: SECRET})
    assert (answer.status_code, answer.get_body()) == (202, b"")
    assert kept == [BookingChange(booking_id=BOOKING_ID, received_at=NOW, correlation_id="correlation-1")]
    assert (await call(functions, "dataverse_bookings", {header: "a guess"})).status_code == 401


async def call(functions: dict[str, Any], name: str, headers: dict[str, str]) -> func.HttpResponse:
    context = {"MessageName": "Update", "PrimaryEntityName": "bookableresourcebooking", "PrimaryEntityId": BOOKING_ID}
    body = json.dumps(context).encode()
    answer = await functions[name].get_user_function()(
        func.HttpRequest(method="POST", url="https://app.example/", headers=headers, body=body)
    )
    assert isinstance(answer, func.HttpResponse)
    return answer
