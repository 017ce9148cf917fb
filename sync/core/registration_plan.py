"""What must be done in Dataverse to have what the app needs there, or to take it away again. Pure.

Nothing is ever taken away that setup did not make: another's step, image, column or solution is left where it is.
"""

from collections.abc import Mapping, Sequence

from sync.core.registration import (
    COLUMN_TYPE,
    INTAKE,
    KEY_ACTIVE,
    KEY_FAILED,
    KEY_STATUS,
    LENGTH,
    PREFIX,
    PUBLISHER_PART,
    SECRET_IS_SET,
    SOLUTION,
    SOLUTION_PART,
    TRACKS_CHANGES,
    Doing,
    Found,
    Kind,
    Part,
    PlanEntry,
    Value,
)

_OF_TABLES = (Kind.COLUMN, Kind.KEY, Kind.RELATIONSHIP)
"""What is gone with its table."""

_DEFINITIONS = (Kind.TABLE, *_OF_TABLES, Kind.CHANGE_TRACKING)


def plan_setup(wanted: Sequence[Part], found: Found, *, renews_secret: bool = False) -> list[PlanEntry]:
    """What must be done so that everything is there as wanted, in this order; empty when it is."""
    entries = [entry for part in wanted if (entry := _entry(part, found, renews_secret=renews_secret))]
    schema = [entry for entry in entries if entry.part.kind not in INTAKE]
    changed = dict.fromkeys(entry.part.table for entry in schema if entry.part.kind in _DEFINITIONS)
    if changed:
        customizations = Part(kind=Kind.CUSTOMIZATIONS, name=", ".join(changed), why="changed definitions take effect")
        schema.append(PlanEntry(doing=Doing.PUBLISH, part=customizations, why=customizations.why))
    return schema + [entry for entry in entries if entry.part.kind in INTAKE]


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
