"""What the service refuses and fills in when webhooks are registered, and the messages that it raises.

Source: Dataverse documentation, "Register a webhook" and "Register a plug-in" (stages, filtering attributes, entity
images). Where a page forbids something without naming the error, the code is that of an invalid argument.
"""

from typing import TYPE_CHECKING

from local.dataverse import errors
from local.dataverse.registrations import HELD_SECRET, column_names, images_of, read_endpoint
from local.dataverse.schema import Value
from local.dataverse.webhook_tables import (
    ASYNCHRONOUS,
    BOTH_IMAGES,
    DISABLED,
    ENDPOINT,
    FILTER,
    IMAGE,
    MESSAGE,
    POST_IMAGE,
    POST_OPERATION,
    PRE_IMAGE,
    STEP,
    WEBHOOK,
)
from local.sample import guid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.dataverse.world import Author, DataverseWorld, Row

BAD_MESSAGE_PROPERTY = "0x8004416b"

TABLES = (
    "account",
    "bookableresource",
    "bookableresourcebooking",
    "bookingstatus",
    "contact",
    "msdyn_workorder",
    "systemuser",
)
"""The tables for whose messages steps can be registered."""

_IMAGE_PROPERTIES = {"Create": "Id", "Update": "Target", "Delete": "Target"}


def fill_messages(world: "DataverseWorld") -> None:
    """Put the messages and their filters into a new world, in the name of its own application user."""
    from local.dataverse.world import Author

    author = Author(user_id=world.users["app"])
    for message in _IMAGE_PROPERTIES:
        message_id = guid(f"sdkmessage:{message}")
        world.create(MESSAGE, {"name": message}, author, message_id)
        for table in TABLES:
            values: dict[str, Value] = {
                "name": f"{message} of {table}",
                "sdkmessageid": message_id,
                "primaryobjecttypecode": table,
                "secondaryobjecttypecode": "none",
            }
            world.create(FILTER, values, author, guid(f"sdkmessagefilter:{message}:{table}"))


def complete_registration(world: "DataverseWorld", table: str, before: "Row | None", values: dict[str, Value]) -> None:
    """Check the row that is about to be stored, and fill in what the service computes."""
    if table in (MESSAGE, FILTER) and before is not None:
        raise errors.method_not_allowed("PATCH", world.schema[table].set_name)
    if table not in (ENDPOINT, STEP, IMAGE):
        return
    for column in world.schema[table].columns.values():
        if column.required and values[column.name] is None:
            raise errors.cannot_be_null(column.name)
    if table == ENDPOINT:
        _complete_endpoint(values)
    elif table == STEP:
        _complete_step(world, values)
    else:
        step = world.get(STEP, str(values["sdkmessageprocessingstepid"]))
        _check_image(world, step.values, values)


def delete_images(world: "DataverseWorld", table: str, row_id: str, author: "Author") -> None:
    """A step takes its images with it."""
    if table == STEP:
        for image in images_of(world, row_id):
            world.delete(IMAGE, image.row_id, author)


def _complete_endpoint(values: dict[str, Value]) -> None:
    if values["contract"] != WEBHOOK:
        raise errors.not_modelled("service endpoints other than webhooks (contract 8)")
    if values["authvalue"] is not None:
        values |= {HELD_SECRET: values["authvalue"], "authvalue": None, "isauthvalueset": True}
    read_endpoint(values)


def _complete_step(world: "DataverseWorld", values: dict[str, Value]) -> None:
    values["statuscode"] = 2 if values["statecode"] == DISABLED else 1
    if values["mode"] == ASYNCHRONOUS and values["stage"] != POST_OPERATION:
        raise _refusal("An asynchronous step can only be registered at the post-operation stage (40).")
    message_filter = _filter_of(world, values)
    if message_filter and message_filter.values["sdkmessageid"] != values["sdkmessageid"]:
        raise _refusal("The message filter of the step belongs to another message.")
    _check_columns(world, values, column_names(values["filteringattributes"]))
    for image in images_of(world, str(values["sdkmessageprocessingstepid"])):
        _check_image(world, values, image.values)


def _check_image(world: "DataverseWorld", step: "Mapping[str, Value]", image: "Mapping[str, Value]") -> None:
    message = str(world.name_of(MESSAGE, str(step["sdkmessageid"])))
    expected, given = _IMAGE_PROPERTIES[message], image["messagepropertyname"]
    if given != expected:
        raise errors.bad_request(
            f"Message property name '{given}' is not valid on message {message}; it takes '{expected}'.",
            BAD_MESSAGE_PROPERTY,
        )
    kind = image["imagetype"]
    if message == "Create" and kind in (PRE_IMAGE, BOTH_IMAGES):
        raise _refusal("A row has no pre-image on Create.")
    if message == "Delete" and kind in (POST_IMAGE, BOTH_IMAGES):
        raise _refusal("A row has no post-image on Delete.")
    if step["stage"] != POST_OPERATION and kind in (POST_IMAGE, BOTH_IMAGES):
        raise _refusal("A post-image is available at the post-operation stage (40) only.")
    if image["attributes"] is not None:
        names = column_names(image["attributes"])
        if not names:
            raise _refusal("The attributes of an image cannot be empty; leave them out for all columns.")
        _check_columns(world, step, names)


def _check_columns(world: "DataverseWorld", step: "Mapping[str, Value]", names: tuple[str, ...]) -> None:
    """Every name must be a column of the table that the step's filter names."""
    if not names:
        return
    message_filter = _filter_of(world, step)
    if message_filter is None:
        raise _refusal("Columns can only be named for a step that has a message filter.")
    table = world.schema[str(message_filter.values["primaryobjecttypecode"])]
    for name in names:
        if name not in table.columns:
            raise _refusal(f"'{table.name}' entity doesn't contain attribute with Name = '{name}'.")


def _filter_of(world: "DataverseWorld", step: "Mapping[str, Value]") -> "Row | None":
    filter_id = step["sdkmessagefilterid"]
    return world.get(FILTER, str(filter_id)) if filter_id else None


def _refusal(message: str) -> errors.ServiceError:
    return errors.bad_request(message, errors.INVALID_ARGUMENT)
