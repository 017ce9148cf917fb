"""HTML that cannot be broken out of: every text is escaped unless it was made here. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from markupsafe import Markup, escape

_EMPTY = frozenset({"br", "input", "meta"})
NOTHING = Markup("")


def tag(name: str, /, *children: object, **attributes: str | bool | None) -> Markup:
    """An element; children that are not `Markup` are text. `class_` is `class`, `aria_label` is `aria-label`.

    An attribute that is True stands alone, one that is None or False is left out.
    """
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    opening = Markup(f"<{name}{given}>")  # noqa: S704 - names are ours, values escaped
    return opening if name in _EMPTY else opening + joined(children) + Markup(f"</{name}>")  # noqa: S704


def joined(parts: Iterable[object]) -> Markup:
    return NOTHING.join(part if isinstance(part, Markup) else escape(str(part)) for part in parts)


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Markup:
    """A table whose first column names its rows. On a narrow screen each cell shows its column's name.

    The roles say what the elements mean anyway: browsers forget it when a style sheet lays them out as blocks.
    """
    head = tag("tr", *(tag("th", one, scope="col", role="columnheader") for one in heads), role="row")
    body = [
        tag(
            "tr",
            tag("th", cells[0], scope="row", role="rowheader", data_head=heads[0]),
            *(tag("td", cell, role="cell", data_head=name) for cell, name in zip(cells[1:], heads[1:], strict=True)),
            role="row",
        )
        for cells in rows
    ]
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", head, role="rowgroup"),
        tag("tbody", *body, role="rowgroup"),
        role="table",
    )


def section(name: str, title: str, *children: object) -> Markup:
    """A landmark with its heading; `name` is its anchor."""
    return tag("section", tag("h2", title, id=f"{name}-title"), *children, id=name, aria_labelledby=f"{name}-title")


def moment(at: datetime | None, now: datetime) -> Markup:
    """A time, with how long it is from `now` for people; a dash for none."""
    if at is None:
        return tag("span", "never", class_="quiet")
    at = at.astimezone(UTC)
    text = f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M}"
    shown = tag("time", text, datetime=at.isoformat(timespec="seconds"))
    return joined([shown, " ", tag("span", _distance(at - now), class_="quiet")])


def _distance(time: timedelta) -> str:
    seconds = round(abs(time.total_seconds()))
    if seconds < 1:
        return "now"
    return f"in {length(seconds)}" if time > timedelta() else f"{length(seconds)} ago"


def length(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    for unit, size in (("min", 60), ("h", 3600)):
        if seconds < 90 * size and (unit == "min" or seconds < 48 * size):
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} days"


def code(text: str | None) -> Markup:
    """An id: never broken in meaning, though on screen it may wrap."""
    return tag("code", text) if text else tag("span", "\N{EN DASH}", class_="quiet")
