"""What `/_control/state` shows of webhooks: registrations, jobs that wait, what became of others. No secrets."""

from typing import Any

from local.dataverse.dispatcher import Dispatcher
from local.dataverse.registrations import images_of
from local.dataverse.schema import Value
from local.dataverse.synchronous_steps import SynchronousSteps
from local.dataverse.values import label, show
from local.dataverse.webhook_tables import ENABLED, ENDPOINT, FILTER, IMAGE, MESSAGE, STEP
from local.dataverse.world import DataverseWorld, Row


def show_webhooks(world: DataverseWorld, dispatcher: Dispatcher, synchronous: SynchronousSteps) -> dict[str, Any]:
    return {
        "endpoints": [
            {
                "id": row.row_id,
                "name": row.values["name"],
                "url": row.values["url"],
                "authtype": _label(world, ENDPOINT, "authtype", row.values["authtype"]),
            }
            for row in world.rows(ENDPOINT).values()
        ],
        "steps": [_show_step(world, row) for row in world.rows(STEP).values()],
        "outbox": [
            {
                "step": job.step.name,
                "message": job.change.message,
                "row_id": job.change.row_id,
                "due_at": show(job.due_at),
                "attempts": job.attempts,
            }
            for job in dispatcher.outbox
        ],
        "in_flight": dispatcher.in_flight,
        "counts": dict(dispatcher.counts),
        "synchronous_counts": dict(synchronous.counts),
    }


def _show_step(world: DataverseWorld, row: Row) -> dict[str, Any]:
    values = row.values
    message_filter = world.find(FILTER, str(values["sdkmessagefilterid"]))
    return {
        "id": row.row_id,
        "name": values["name"],
        "message": world.name_of(MESSAGE, str(values["sdkmessageid"])),
        "table": message_filter.values["primaryobjecttypecode"] if message_filter else None,
        "stage": _label(world, STEP, "stage", values["stage"]),
        "mode": _label(world, STEP, "mode", values["mode"]),
        "is_enabled": values["statecode"] == ENABLED,
        "filteringattributes": values["filteringattributes"],
        "endpoint_id": values["eventhandler"],
        "images": [
            {
                "alias": image.values["entityalias"],
                "type": _label(world, IMAGE, "imagetype", image.values["imagetype"]),
                "attributes": image.values["attributes"],
            }
            for image in images_of(world, row.row_id)
        ],
    }


def _label(world: DataverseWorld, table: str, column: str, value: Value) -> str | None:
    return label(world.schema[table].columns[column], value)
