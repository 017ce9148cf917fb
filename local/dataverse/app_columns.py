"""What this product adds to the booking table: its columns, their key, and change tracking."""

from dataclasses import replace

from local.dataverse.columns import text
from local.dataverse.schema import AlternateKey, Column, Table

EVENT_KEY = "bks_EventKey"


def app_columns() -> tuple[Column, ...]:
    columns = (
        text("bks_eventid", 300, schema_name="bks_EventId"),
        text("bks_eventhash", 64, schema_name="bks_EventHash"),
        text("bks_undelivered", 200, schema_name="bks_Undelivered"),
    )
    return tuple(replace(column, is_custom=True) for column in columns)


def with_app_columns(table: Table) -> Table:
    """The booking table of an environment in which the product has been set up."""
    own = {column.name: column for column in app_columns()}
    key = AlternateKey(schema_name=EVENT_KEY, columns=("bks_eventhash",))
    others = tuple(one for one in table.keys if one.schema_name != EVENT_KEY)
    return replace(table, columns={**table.columns, **own}, keys=(*others, key), change_tracking_enabled=True)


def without_app_columns(table: Table) -> Table:
    """The booking table of an environment that has never seen the product."""
    own = {column.name for column in app_columns()}
    columns = {name: column for name, column in table.columns.items() if name not in own}
    keys = tuple(key for key in table.keys if own.isdisjoint(key.columns))
    return replace(table, columns=columns, keys=keys, change_tracking_enabled=False)
