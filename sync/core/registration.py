"""What the app needs to have in Dataverse. Pure; what must be done to get there is for `sync.core.registration_plan`.

Rows are described by their own columns, so that a plan can be held against Dataverse's documentation: register-web-hook
and register-plug-in (2026-03), the table references of serviceendpoint, sdkmessageprocessingstep and
sdkmessageprocessingstepimage, define-alternate-keys-entity, checked 2026-11-21. How a part is written is the adapter's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from sync.core.webhooks import BOOKING_TABLE, STATE_COLUMNS, TRACE_COLUMNS, WORK_ORDER_TABLE

SOLUTION = "bookingsync"
"""Unique name of solution and publisher, name of the service endpoint, first word of each step's name."""

PREFIX = "bks"
"""The publisher's customization prefix: what the names of our columns begin with."""

EVENT_KEY = "bks_EventKey"

WORK_ORDER_COLUMNS = (
    *("msdyn_name", "msdyn_workordersummary", "msdyn_priority", "msdyn_workordertype", "msdyn_primaryincidenttype"),
    *("msdyn_serviceaccount", "msdyn_reportedbycontact", "msdyn_timewindowstart", "msdyn_timewindowend"),
    *("msdyn_addressname", "msdyn_address1", "msdyn_address2", "msdyn_address3"),
    *("msdyn_postalcode", "msdyn_city", "msdyn_stateorprovince", "msdyn_country"),
)
"""The columns of a work order that technicians see in an event."""

type Value = str | int | bool


class Kind(StrEnum):
    """What a part is."""

    PUBLISHER = "publisher"
    SOLUTION = "solution"
    TABLE = "table"
    COLUMN = "column"
    KEY = "alternate key"
    RELATIONSHIP = "relationship"
    CHANGE_TRACKING = "change tracking"
    CUSTOMIZATIONS = "customizations"
    ENDPOINT = "service endpoint"
    STEP = "step"
    IMAGE = "image"


INTAKE = (Kind.ENDPOINT, Kind.STEP, Kind.IMAGE)
"""The parts by which Dataverse calls us: the last that are made, and the first that go."""


class Trigger(NamedTuple):
    """The message (Dataverse's word for an operation) and the table that a step listens to."""

    message: str
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that Dataverse is to have. `values` are what it must say; `trigger` is that of a step or its image.

    `table` is the one that a definition belongs to: a relationship to that of its lookup.
    """

    kind: Kind
    name: str
    why: str
    values: Mapping[str, Value] = field(default_factory=dict)
    trigger: Trigger | None = None
    table: str = BOOKING_TABLE

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}"


class Doing(StrEnum):
    """What is done about a part."""

    CREATE = "create"
    CHANGE = "change"
    PUBLISH = "publish"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEntry:
    """One thing to do. `changes` are the values that are to be different, for `Doing.CHANGE`. `why` is for people."""

    doing: Doing
    part: Part
    why: str
    changes: Mapping[str, Value] = field(default_factory=dict)

    @property
    def title(self) -> str:
        doing = "switch on" if self.part.kind is Kind.CHANGE_TRACKING else self.doing
        return f"{doing} {self.part.title}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to the Web API as people may read it: it holds no secret.

    With a `base`, `body` is laid over what a GET of that address answers, because definitions are replaced as a whole.
    """

    method: str
    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    base: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is there. `parts` are the values of each part that is, under their names in `Part.values`.

    `strangers` are steps of others that call our endpoint; `other_solutions` those that our publisher also publishes.
    """

    parts: Mapping[tuple[Kind, str], Mapping[str, Value]]
    strangers: Sequence[str] = ()
    other_solutions: Sequence[str] = ()

    def values_of(self, part: Part) -> Mapping[str, Value] | None:
        return self.parts.get((part.kind, part.name))


LENGTH = "length"
COLUMN_TYPE, CHOICES = "type", "choices"
"""The type of a column that holds no text, and the labels of a choice's options."""

REFERENCES, CASCADES = "references", "cascades"
"""The table that a relationship's lookup points at, and whether rows go with the one that they point at."""

KEY_STATUS = "status"
KEY_ACTIVE, KEY_FAILED = "Active", "Failed"
TRACKS_CHANGES = "is on"
SECRET_IS_SET = "isauthvalueset"  # noqa: S105 - a column's name
"""That the endpoint has a secret: which one it is, Dataverse does not show."""

_POST_OPERATION, _ASYNCHRONOUS, _ENABLED = 40, 1, 0
_PRE_IMAGE, _POST_IMAGE = 0, 1
_WEBHOOK, _HTTP_HEADER = 8, 5

PUBLISHER_PART = Part(
    kind=Kind.PUBLISHER,
    name=SOLUTION,
    why=f"the solution needs one, with the prefix {PREFIX} of our columns",
    values={
        "uniquename": SOLUTION,
        "friendlyname": "Booking sync",
        "customizationprefix": PREFIX,
        "customizationoptionvalueprefix": 72_110,
    },
)
SOLUTION_PART = Part(
    kind=Kind.SOLUTION,
    name=SOLUTION,
    why="holds everything below, so that it can be seen in one place",
    values={"uniquename": SOLUTION, "friendlyname": "Booking sync", "version": "1.0.0.0"},
)
KEY_PART = Part(
    kind=Kind.KEY,
    name=EVENT_KEY,
    why="finds a booking by its event, and lets no two bookings name one",
    values={"label": "Event key", "columns": "bks_eventhash"},
)
CHANGE_TRACKING_PART = Part(
    kind=Kind.CHANGE_TRACKING,
    name=BOOKING_TABLE,
    why="the sweep asks what has changed; it cannot be switched off again",
    values={TRACKS_CHANGES: True},
)


def wanted_parts(webhook_url: str, definitions: Sequence[Part] = ()) -> tuple[Part, ...]:
    """Everything that is to be there, in the order in which it is made. `definitions` are those of further tables."""
    return (
        PUBLISHER_PART,
        SOLUTION_PART,
        _column("bks_EventId", "Event id", 300, "the id of the booking's event in Outlook"),
        _column("bks_EventHash", "Event hash", 64, "a digest of mailbox and event id, for the key"),
        _column("bks_Undelivered", "Undelivered", 200, "tells dispatchers why a booking has no event"),
        KEY_PART,
        CHANGE_TRACKING_PART,
        *definitions,
        Part(
            kind=Kind.ENDPOINT,
            name=SOLUTION,
            why="where Dataverse calls the app, with the secret in a header",
            values={
                "name": SOLUTION,
                "contract": _WEBHOOK,
                "url": webhook_url,
                "authtype": _HTTP_HEADER,
                SECRET_IS_SET: True,
            },
        ),
        *_step("Create", BOOKING_TABLE, "new bookings", image=_image("Id", _POST_IMAGE, STATE_COLUMNS)),
        *_step(
            "Update",
            BOOKING_TABLE,
            "changed bookings, by what events show of them",
            listens_to=STATE_COLUMNS,
            image=_image("Target", _POST_IMAGE, STATE_COLUMNS),
        ),
        *_step(
            "Delete",
            BOOKING_TABLE,
            "deleted bookings; after the deletion, so that it never waits for us",
            image=_image("Target", _PRE_IMAGE, TRACE_COLUMNS),
        ),
        *_step("Update", WORK_ORDER_TABLE, "what technicians see of a work order", listens_to=WORK_ORDER_COLUMNS),
    )


def _column(schema_name: str, label: str, length: int, why: str) -> Part:
    return Part(kind=Kind.COLUMN, name=schema_name, why=why, values={"label": label, LENGTH: length})


def _image(message_property: str, image_type: int, columns: Sequence[str]) -> dict[str, Value]:
    alias = "before" if image_type == _PRE_IMAGE else "after"
    return {
        "name": alias,
        "entityalias": alias,
        "imagetype": image_type,
        "messagepropertyname": message_property,
        "attributes": ",".join(columns),
    }


def _step(
    message: str,
    table: str,
    why: str,
    *,
    listens_to: Sequence[str] = (),
    image: Mapping[str, Value] | None = None,
) -> list[Part]:
    """A step, asynchronous after the operation, and its image."""
    name = f"{message} of {table}"
    values: dict[str, Value] = {
        "name": f"{SOLUTION}: {name}",
        "stage": _POST_OPERATION,
        "mode": _ASYNCHRONOUS,
        "rank": 1,
        "supporteddeployment": 0,
        "asyncautodelete": True,
        "statecode": _ENABLED,
    }
    if listens_to:
        values["filteringattributes"] = ",".join(listens_to)
    trigger = Trigger(message, table)
    step = Part(kind=Kind.STEP, name=name, why=why, values=values, trigger=trigger)
    if image is None:
        return [step]
    when = "before" if image["imagetype"] == _PRE_IMAGE else "after"
    why = f"shows the booking as it was {when}"
    return [step, Part(kind=Kind.IMAGE, name=f"{when} {name}", why=why, values=image, trigger=trigger)]
