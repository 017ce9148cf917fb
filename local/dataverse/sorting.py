"""The order of rows: by `$orderby`, then by id, so that every order is total and paging is stable."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.dataverse.filters import Source
from local.dataverse.query_options import Order
from local.dataverse.schema import Value
from local.dataverse.values import fold, parse_time, show_time
from local.dataverse.world import Row


@dataclass(frozen=True, slots=True)
class _Descending:
    key: Any

    def __lt__(self, other: "_Descending") -> bool:
        return bool(other.key < self.key)


type Position = list[Value]
"""The values by which a row is sorted, its id last."""


class RowOrder:
    """Sorts rows and tells which come after a position, also when the row of that position is gone."""

    def __init__(self, order_by: Sequence[Order], source: Source[Row]) -> None:
        self._reads = [source.property(order.path).read for order in order_by]
        self._descends = [order.is_descending for order in order_by]

    def position(self, row: Row) -> Position:
        return [*(read(row) for read in self._reads), row.row_id]

    def key(self, position: Position) -> list[Any]:
        """Comparable: rows without a value come first, texts without regard to case."""
        keys: list[Any] = []
        for value, descends in zip(position, [*self._descends, False], strict=True):
            comparable = (value is not None, fold(value))
            keys.append(_Descending(comparable) if descends else comparable)
        return keys

    def sort(self, rows: Iterable[Row]) -> list[Row]:
        return sorted(rows, key=lambda row: self.key(self.position(row)))


def sort_rows(rows: Iterable[Row], order_by: Sequence[Order], source: Source[Row]) -> list[Row]:
    return RowOrder(order_by, source).sort(rows)


def position_to_json(position: Position) -> list[Any]:
    """Times become one-element lists, so that they are told from texts."""
    return [[show_time(value)] if isinstance(value, datetime) else value for value in position]


def position_from_json(data: list[Any]) -> Position:
    return [parse_time(value[0]) if isinstance(value, list) else value for value in data]
