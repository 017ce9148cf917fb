"""Short forms for the columns of `tables`."""

from local.dataverse.schema import Column, ColumnType, Value

MAX_INTEGER = 2_147_483_647
ACTIVE, INACTIVE = 0, 1


def text(name: str, max_length: int, *, required: bool = False, writable: bool = True, schema_name: str = "") -> Column:
    return Column(
        name=name,
        type=ColumnType.STRING,
        max_length=max_length,
        required=required,
        writable=writable,
        schema_name=schema_name,
    )


def memo(name: str) -> Column:
    return Column(name=name, type=ColumnType.MEMO, max_length=1_048_576)


def integer(name: str, *, minimum: int = -MAX_INTEGER - 1, required: bool = False, default: Value = None) -> Column:
    return Column(
        name=name, type=ColumnType.INTEGER, minimum=minimum, maximum=MAX_INTEGER, required=required, default=default
    )


def time(name: str, *, required: bool = False, writable: bool = True) -> Column:
    return Column(name=name, type=ColumnType.DATE_TIME, required=required, writable=writable)


def flag(name: str, *, default: bool = False, writable: bool = True) -> Column:
    return Column(name=name, type=ColumnType.BOOLEAN, default=default, writable=writable, choices={0: "No", 1: "Yes"})


def degrees(name: str, limit: float) -> Column:
    return Column(name=name, type=ColumnType.DOUBLE, minimum=-limit, maximum=limit)


def choice(name: str, choices: dict[int, str], *, required: bool = False, default: Value = None) -> Column:
    return Column(name=name, type=ColumnType.CHOICE, choices=choices, required=required, default=default)


def lookup(name: str, target: str, navigation: str = "", *, required: bool = False, restrict: bool = False) -> Column:
    return Column(
        name=name,
        type=ColumnType.LOOKUP,
        target=target,
        navigation=navigation or name,
        required=required,
        on_delete="restrict" if restrict else "remove_link",
    )


def author(name: str, navigation: str = "") -> Column:
    return Column(name=name, type=ColumnType.LOOKUP, target="systemuser", navigation=navigation or name, writable=False)


def upkeep(author_suffix: str = "") -> list[Column]:
    """Columns that the platform keeps on every table."""
    return [
        time("createdon", writable=False),
        time("modifiedon", writable=False),
        *(author(name, name + author_suffix) for name in ("createdby", "createdonbehalfby")),
        *(author(name, name + author_suffix) for name in ("modifiedby", "modifiedonbehalfby")),
        Column(name="versionnumber", type=ColumnType.BIG_INTEGER, writable=False),
    ]


def state() -> list[Column]:
    return [
        Column(
            name="statecode",
            type=ColumnType.STATE,
            choices={ACTIVE: "Active", INACTIVE: "Inactive"},
            required=True,
            default=ACTIVE,
        ),
        Column(name="statuscode", type=ColumnType.STATUS, choices={1: "Active", 2: "Inactive"}, default=1),
    ]


def owner() -> Column:
    return Column(name="ownerid", type=ColumnType.OWNER, target="systemuser", navigation="ownerid", required=True)
