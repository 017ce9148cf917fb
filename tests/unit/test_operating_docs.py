"""Operators build alerts on names: those in docs/operate.md are the ones that the app has and sends."""

import ast
import re
from pathlib import Path

import pytest

from sync.adapters import otel_metrics, otel_traces

ROOT = Path(__file__).parents[2]
OPERATE = (ROOT / "docs/operate.md").read_text()
WATCH = OPERATE[OPERATE.index("\n## What to watch\n") : OPERATE.index("\n## Commands\n")]
SENT = set(re.findall(r'"(bookingsync\.\w+)"', Path(otel_traces.__file__).read_text()))
"""The attributes of spans, prefix included."""

LABELS = {"queue", "source", "action", "operation", "outcome", "reason", "error_class", "change", "le"}


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", OPERATE, flags=re.MULTILINE | re.DOTALL)


def as_prometheus_has_it(name: str) -> set[str]:
    """The series of a metric, as collectors translate it (OpenTelemetry specification, Prometheus compatibility)."""
    stem = name.replace(".", "_")
    short = name.removeprefix("bookingsync.")
    if short in otel_metrics.COUNTERS:
        return {f"{stem}_total"}
    unit, _, _ = otel_metrics.HISTOGRAMS[short]
    stem += "_seconds" if unit == "s" else ""
    return {f"{stem}_{series}" for series in ("bucket", "sum", "count")}


def test_the_functions_are_exactly_those_that_are_explained() -> None:
    tree = ast.parse((ROOT / "function_app.py").read_text())
    functions = [one.name for one in tree.body if isinstance(one, ast.AsyncFunctionDef) and one.decorator_list]
    table = OPERATE[OPERATE.index("\n## Functions and queues\n") : OPERATE.index("\n## A normal day\n")]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert sorted(name for cell in cells for name in re.findall(r"`(\w+)`", cell)) == sorted(functions)


def test_each_metric_that_is_sent_is_explained_and_no_other() -> None:
    rows = re.findall(r"^\| `(bookingsync\.[\w.]+)` \|", WATCH, flags=re.MULTILINE)
    assert sorted(rows) == sorted(otel_metrics.INSTRUMENTS)


def test_each_attribute_of_a_span_is_explained_and_no_other() -> None:
    rows = [line for line in WATCH.splitlines() if line.startswith(("| `acknowledge`", "| `handle"))]
    told = {f"bookingsync.{name}" for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[4])}
    assert told == SENT


@pytest.mark.parametrize("query", fences("kusto"))
def test_a_query_asks_for_what_is_sent(query: str) -> None:
    names = set(re.findall(r'"(bookingsync\.[\w.]+)"', query))
    assert names
    assert names <= otel_metrics.INSTRUMENTS | SENT
    assert set(re.findall(r'customDimensions\["([^"]+)"\]', query)) <= SENT | LABELS | {"error.type"}


def test_the_rules_for_prometheus_ask_for_what_is_sent() -> None:
    (rules,) = [block for block in fences("text") if "histogram_quantile" in block]
    series = set(re.findall(r"\bbookingsync_\w+", rules))
    assert series <= {one for name in otel_metrics.INSTRUMENTS for one in as_prometheus_has_it(name)}
    assert {
        label for labels in re.findall(r"\{([^}]*)\}", rules) for label in re.findall(r"(\w+)[=!]", labels)
    } <= LABELS


def test_each_rule_has_its_page_and_its_twin() -> None:
    rules = dict(re.findall(r"^\*\*`(\w+)`: \[[^]]+\]\(#([\w-]+)\)\.\*\*", WATCH, flags=re.MULTILINE))
    assert len(rules) == 7
    runbook = OPERATE[OPERATE.index("\n## Runbook\n") :]
    pages = {
        re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-")
        for one in re.findall(r"^### (.+)$", runbook, re.MULTILINE)
    }
    assert set(rules.values()) <= pages
    (twins,) = [block for block in fences("text") if "histogram_quantile" in block]
    assert set(re.findall(r"^(\w+) ", twins, re.MULTILINE)) == set(rules)
    for name in rules:
        assert f"alert `{name}`" in runbook
