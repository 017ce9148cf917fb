"""What the app needs to have in Dataverse, and what must be done to get there from what is there. Pure.

Rows are described by their own columns, so that a plan can be held against Dataverse's documentation: register-web-hook
and register-plug-in (2026-03), the table references of serviceendpoint, sdkmessageprocessingstep and
sdkmessageprocessingstepimage, define-alternate-keys-entity, checked 2026-11-21. How a part is written is the adapter's.

Nothing is ever taken away that setup did not make: another's step, image, column or solution is left where it is.
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


def plan_setup(wanted: Sequence[Part], found: Found, *, renews_secret: bool = False) -> list[PlanEntry]:
    """What must be done so that everything is there as wanted, in this order; empty when it is."""
    entries = [entry for part in wanted if (entry := _entry(part, found, renews_secret=renews_secret))]
    schema = [entry for entry in entries if entry.part.kind not in INTAKE]
    changed = dict.fromkeys(entry.part.table for entry in schema if entry.part.kind in _DEFINITIONS)
    if changed:
        customizations = Part(kind=Kind.CUSTOMIZATIONS, name=", ".join(changed), why="changed definitions take effect")
        schema.append(PlanEntry(doing=Doing.PUBLISH, part=customizations, why=customizations.why))
    return schema + [entry for entry in entries if entry.part.kind in INTAKE]


_OF_TABLES = (Kind.COLUMN, Kind.KEY, Kind.RELATIONSHIP)
"""What is gone with its table."""

_DEFINITIONS = (Kind.TABLE, *_OF_TABLES, Kind.CHANGE_TRACKING)


def _entry(part: Part, found: Found, *, renews_secret: bool) -> PlanEntry | None:
    there = found.values_of(part)
    if part.kind is Kind.PUBLISHER and found.values_of(SOLUTION_PART) is not None:
        return None  # The solution has its publisher, whoever made it.
    if there is None:
        return PlanEntry(doing=Doing.CREATE, part=part, why=part.why)
    changes = _changes(part, there)
    if part.kind is Kind.ENDPOINT and renews_secret:
        changes[SECRET_IS_SET] = True
    if not changes:
        return None
    return PlanEntry(doing=Doing.CHANGE, part=part, why=_why_change(part, there, changes), changes=changes)


def _changes(part: Part, there: Mapping[str, Value]) -> dict[str, Value]:
    """The values that must be different. A name or a label that somebody has changed is theirs."""
    match part.kind:
        case Kind.PUBLISHER | Kind.SOLUTION | Kind.TABLE | Kind.RELATIONSHIP:
            return {}
        case Kind.COLUMN:
            wanted = part.values.get(LENGTH, 0)
            return {LENGTH: wanted} if int(there[LENGTH]) < int(wanted) else {}
        case Kind.KEY:
            return {KEY_STATUS: KEY_ACTIVE} if there[KEY_STATUS] == KEY_FAILED else {}
        case _:
            return {
                name: value
                for name, value in part.values.items()
                if name != "name" and not _is_equal(value, there.get(name))
            }


def _is_equal(wanted: Value, there: Value | None) -> bool:
    if isinstance(wanted, str) and isinstance(there, str):
        return _names_in(wanted) == _names_in(there)
    return wanted == there


def _names_in(text: str) -> set[str]:
    """A list of columns says the same in every order."""
    return {name.strip() for name in text.split(",")}


def _why_change(part: Part, there: Mapping[str, Value], changes: Mapping[str, Value]) -> str:
    if set(changes) == {SECRET_IS_SET}:
        return "renews the secret" if there.get(SECRET_IS_SET) else "it has no secret"
    if part.kind is Kind.KEY:
        return "Dataverse could not build its index; this starts the job again"
    if part.kind is Kind.CHANGE_TRACKING:
        return part.why
    return ", ".join(f"{name} is {there.get(name)!r}" for name in changes)


def plan_removal(wanted: Sequence[Part], found: Found) -> list[PlanEntry]:
    """What undoes the setup, the last part first. Change tracking stays: it cannot be switched off."""
    there = [part for part in reversed(wanted) if found.values_of(part) is not None]
    own_tables = {part.table for part in there if part.kind is Kind.TABLE}
    return [
        PlanEntry(doing=Doing.REMOVE, part=part, why=_why_removed(part))
        for part in there
        if part.kind is not Kind.CHANGE_TRACKING
        and not (part.kind in _OF_TABLES and part.table in own_tables)
        and not _why_kept(part, found)
    ]


def _why_removed(part: Part) -> str:
    return "made by setup; its rows go with it" if part.kind is Kind.TABLE else "made by setup"


def kept_parts(wanted: Sequence[Part], found: Found) -> list[str]:
    """What a removal leaves in Dataverse, and why, in words for people."""
    kept = [(part, _why_kept(part, found)) for part in wanted if found.values_of(part) is not None]
    return [f"{part.title}: {why}" for part, why in kept if why]


def _why_kept(part: Part, found: Found) -> str:
    if part.kind is Kind.CHANGE_TRACKING and found.parts[part.kind, part.name][TRACKS_CHANGES]:
        return "Dataverse cannot switch it off again; it costs nothing"
    if part.kind is Kind.ENDPOINT and found.strangers:
        return f"steps that we did not make call it: {', '.join(found.strangers)}"
    if part.kind is Kind.PUBLISHER and found.other_solutions:
        return f"it also publishes {', '.join(found.other_solutions)}"
    return ""


def find_conflicts(wanted: Sequence[Part], found: Found) -> list[str]:
    """What is in the way and only a person can clear, in words that name the mend."""
    conflicts = []
    solution = found.values_of(SOLUTION_PART)
    publisher = solution if solution is not None else found.values_of(PUBLISHER_PART)
    if solution is not None and solution["ismanaged"]:
        conflicts.append(f"The solution {SOLUTION} is managed here, and takes nothing up: uninstall it first.")
    elif publisher is not None and publisher["customizationprefix"] != PREFIX:
        conflicts.append(
            f"The publisher of {SOLUTION} has the prefix {publisher['customizationprefix']} instead of {PREFIX}: "
            "delete that solution and its publisher, or rename them."
        )
    for part in wanted:
        there = found.values_of(part)
        if there is None:
            continue
        if part.kind is Kind.COLUMN and there[COLUMN_TYPE] != part.values.get(COLUMN_TYPE, "String"):
            wanted_type = part.values.get(COLUMN_TYPE)
            what = f"not of the type {wanted_type}" if wanted_type else "no single line of text"
            conflicts.append(f"The column {part.name} is {what}: delete it.")
        if part.kind is Kind.KEY and there["columns"] != part.values["columns"]:
            conflicts.append(f"The key {part.name} is on {there['columns']}: delete it.")
        if part.kind is Kind.CHANGE_TRACKING and not (there[TRACKS_CHANGES] or there["is possible"]):
            conflicts.append(f"Change tracking cannot be switched on for {part.name}: ask Microsoft's support.")
    return conflicts
