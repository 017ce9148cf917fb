"""Rows as the JSON of the Web API: selected columns, expansions, annotations, context.

Source: Dataverse documentation, "Select columns", "Join tables", "Formatted values" and "Lookup properties".
"""

from collections.abc import Callable
from typing import Any

from local.dataverse import errors
from local.dataverse.filter_syntax import Path
from local.dataverse.filters import Property, compile_filter
from local.dataverse.query_options import Expansion, Preferences, QueryOptions
from local.dataverse.schema import Collection, Column, Table
from local.dataverse.sorting import sort_rows
from local.dataverse.values import label, show
from local.dataverse.world import DataverseWorld, Row

FORMATTED = "OData.Community.Display.V1.FormattedValue"
LOOKUP_TABLE = "Microsoft.Dynamics.CRM.lookuplogicalname"
NAVIGATION = "Microsoft.Dynamics.CRM.associatednavigationproperty"


class RowSource:
    """The properties of a table's rows, for filters and orders."""

    def __init__(self, world: DataverseWorld, table: Table) -> None:
        self._world = world
        self._table = table

    def property(self, path: Path) -> Property[Row]:
        table, reads = self._table, []
        for step in path.steps[:-1]:
            column = table.navigations.get(step)
            if column is None:
                raise errors.no_such_property(step, table.name)
            table = self._world.schema[column.references[step]]
            reads.append((column.name, table.name))
        last = table.properties.get(path.steps[-1])
        if last is None:
            raise errors.no_such_property(path.steps[-1], table.name)
        return Property(last.edm_name, self._reader(reads, last.name))

    def _reader(self, hops: list[tuple[str, str]], column: str) -> Callable[[Row], Any]:
        def read(row: Row) -> Any:
            current: Row | None = row
            for lookup, target in hops:
                if current is None:
                    return None
                target_id = current.values[lookup]
                current = self._world.find(target, str(target_id)) if target_id else None
            return current.values[column] if current else None

        return read

    def column(self, logical_name: str) -> Property[Row]:
        known = self._table.columns.get(logical_name)
        if known is None:
            raise errors.no_such_property(logical_name, self._table.name)
        return Property(known.edm_name, lambda row: row.values[known.name])


class Renderer:
    """Writes rows of one answer. `root` is the service root that links begin with."""

    def __init__(self, world: DataverseWorld, preferences: Preferences, root: str) -> None:
        self._world = world
        self._preferences = preferences
        self._root = root

    def check(self, table: Table, options: QueryOptions, *, is_collection: bool = True) -> None:
        """Raises `ServiceError` 400 for a name or an option that does not fit `table`, also inside expansions."""
        for name in options.select or ():
            if name not in table.properties:
                raise errors.no_such_property(name, table.name)
        for order in options.order_by:
            RowSource(self._world, table).property(order.path)
        if options.filter is not None:
            compile_filter(options.filter, RowSource(self._world, table))
        if not is_collection and (unfit := options.given - {"$select", "$expand"}):
            raise errors.bad_request(
                f"Query options {', '.join(sorted(unfit))} cannot be applied to the requested resource: "
                "it is not a collection."
            )
        for expansion in options.expand:
            target = self.target_of(table, expansion.navigation)
            single = expansion.navigation in table.navigations
            self.check(target, expansion.options, is_collection=not single)

    def target_of(self, table: Table, navigation: str) -> Table:
        """The table behind a navigation property. Raises `ServiceError` 400 when it is not declared in that case."""
        column = table.navigations.get(navigation)
        if column is not None:
            return self._world.schema[column.references[navigation]]
        collection = table.collection(navigation)
        if collection is None:
            raise errors.no_such_property(navigation, table.name)
        return self._world.schema[collection.table]

    def context(self, table: Table, options: QueryOptions, suffix: str = "") -> str:
        shape = self._shape(table, options)
        return f"{self._root}/$metadata#{table.set_name}{f'({shape})' if shape else ''}{suffix}"

    def _shape(self, table: Table, options: QueryOptions) -> str:
        parts = list(options.select or ())
        for expansion in options.expand:
            target = self.target_of(table, expansion.navigation)
            parts.append(f"{expansion.navigation}({self._shape(target, expansion.options)})")
        return ",".join(parts)

    def row(self, table: Table, row: Row, options: QueryOptions) -> dict[str, Any]:
        shown: dict[str, Any] = {"@odata.etag": row.etag}
        selected = table.properties if options.select is None else (*options.select, table.primary_id)
        for name in dict.fromkeys(selected):
            self._add_property(shown, table.properties[name], row)
        for expansion in options.expand:
            self._expand(shown, table, row, expansion)
        return shown

    def _add_property(self, shown: dict[str, Any], column: Column, row: Row) -> None:
        name, value = column.property_name, row.values[column.name]
        if column.is_lookup and isinstance(value, str):
            navigation, target = self._reference(column, value)
            notes = {
                NAVIGATION: navigation,
                LOOKUP_TABLE: target,
                FORMATTED: self._world.name_of(target, value),
            }
        else:
            notes = {FORMATTED: label(column, value)}
        for annotation, text in notes.items():
            if text is not None and self._preferences.includes(annotation):
                shown[f"{name}@{annotation}"] = text
        shown[name] = show(value)

    def _reference(self, column: Column, row_id: str) -> tuple[str, str]:
        """Navigation property and table of what a lookup points at."""
        references = column.references.items()
        return next((pair for pair in references if self._world.find(pair[1], row_id)), next(iter(references)))

    def _expand(self, shown: dict[str, Any], table: Table, row: Row, expansion: Expansion) -> None:
        target = self.target_of(table, expansion.navigation)
        collection = table.collection(expansion.navigation)
        if collection is not None:
            rows = self._members(target, collection, row, expansion.options)
            shown[expansion.navigation] = [self._expanded(target, member, expansion.options) for member in rows]
            return
        target_id = row.values[table.navigations[expansion.navigation].name]
        found = self._world.find(target.name, str(target_id)) if target_id else None
        shown[expansion.navigation] = self._expanded(target, found, expansion.options) if found else None
        if found:
            # Only rows of their own and members of collections carry an etag.
            del shown[expansion.navigation]["@odata.etag"]

    def _expanded(self, table: Table, row: Row, options: QueryOptions) -> dict[str, Any]:
        shown = self.row(table, row, options)
        if table.is_principal:
            shown["ownerid"] = row.row_id
        return shown

    def _members(self, table: Table, collection: Collection, owner: Row, options: QueryOptions) -> list[Row]:
        source = RowSource(self._world, table)
        members = [
            row for row in self._world.rows(table.name).values() if row.values[collection.column] == owner.row_id
        ]
        if options.filter is not None:
            members = list(filter(compile_filter(options.filter, source), members))
        return sort_rows(members, options.order_by, source)[: options.top]
