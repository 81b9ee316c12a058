"""Finds what would make a dashboard show nothing, or something untrue.

Queries are checked on their syntax tree: counters inside a rate, windows that follow the
scrape interval, and no metric or label that the vocabulary does not have. Panels are checked
for title, meaning, unit and overlap. Findings are sentences; an empty list is a good dashboard.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from mlobs._extras import require
from mlobs.dashboards.layout import COLUMNS
from mlobs.dashboards.panels import Json
from mlobs.semconv import attributes as a
from mlobs.semconv.metrics import METRICS

RATES = ("rate", "irate", "increase")
SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("",), "gauge": ("",)}
# What Prometheus itself writes, with the labels every alert has.
NATIVE: dict[str, frozenset[str]] = {"ALERTS": frozenset({"alertname", "alertstate", "severity"})}
# Labels of every series: what the scraper adds, and what an exporter takes from the resource.
EVERYWHERE = frozenset({"__name__", "job", "instance", "le", a.SERVICE_NAME.label})

# Grafana puts these in before Prometheus sees the query.
SUBSTITUTES = {"$__rate_interval": "5m", "$__interval": "1m", "$__range": "1h"}
ALL = ".*"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, and what to do."""

    dashboard: str
    panel: str
    problem: str


def families() -> dict[str, frozenset[str]]:
    """Return the labels of every series name that the vocabulary makes."""
    known = {
        f"{metric.prometheus}{suffix}": frozenset(label.label for label in metric.labels)
        for metric in METRICS
        for suffix in SUFFIXES[metric.kind]
    }
    return known | NATIVE


def counters() -> frozenset[str]:
    """Return the series names that only grow, and mean nothing without a rate."""
    return frozenset(
        f"{metric.prometheus}{suffix}"
        for metric in METRICS
        for suffix in SUFFIXES[metric.kind]
        if metric.kind != "gauge"
    )


def concrete(expr: str, variables: Iterable[str], *, substitutes: dict[str, str] = SUBSTITUTES) -> str:
    """Return a query as Prometheus would get it with every variable at "All".

    >>> concrete('rate(x{a=~"$model"}[$__rate_interval])', ["model"])
    'rate(x{a=~".*"}[5m])'
    """
    for name in sorted(variables, key=len, reverse=True):
        expr = re.sub(rf"\${{?{name}\b}}?", ALL, expr)
    for name, value in substitutes.items():
        expr = expr.replace(name, value)
    return expr


def check(dashboard: Json) -> list[Finding]:
    """Return everything that is wrong with one dashboard."""
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    variables = [variable["name"] for variable in dashboard["templating"]["list"]]
    found = [("", problem) for problem in _frame(dashboard)]
    for panel in panels:
        name = panel.get("title", "")
        found += [(name, problem) for problem in _panel(panel)]
        for target in panel.get("targets", ()):
            found += [(name, problem) for problem in query(target["expr"], variables)]
    for note in dashboard["annotations"]["list"]:
        found += [(note["name"], problem) for problem in query(note["expr"], variables)]
    for one, other in combinations(dashboard["panels"], 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            found.append((one["title"], f"lies over the panel {other['title']!r}; move one of them"))
    return [Finding(dashboard["uid"], *pair) for pair in found]


def query(expr: str, variables: Iterable[str] = ()) -> list[str]:
    """Return what is wrong with one PromQL query; it may hold Grafana's variables."""
    promql = require("promql_parser", extra="grafana", feature="Checking dashboards")
    problems = [
        f"takes a rate over [{window}]; use [$__rate_interval], which follows the scrape interval"
        for window in re.findall(r"\[([^\]]+)\]", expr)
        if window != "$__rate_interval"
    ]
    try:
        tree = promql.parse(concrete(expr, variables))
    except ValueError as error:
        return [*problems, f"is not PromQL: {error}"]
    known, growing = families(), counters()
    for selector, functions in selectors(tree):
        if selector.name not in known:
            problems.append(f"asks for {selector.name}, which no row of mlobs.semconv makes")
            continue
        if selector.name in growing and not set(functions) & set(RATES):
            problems.append(f"shows the counter {selector.name} without rate or increase around it")
        allowed = known[selector.name] | EVERYWHERE
        problems += [
            f"chooses {selector.name} by the label {matcher.name}, which it does not have"
            for matcher in selector.matchers.matchers
            if matcher.name not in allowed
        ]
    return problems + [
        f"keeps the label {label}, which none of its series has" for label in sorted(_unknown_labels(tree))
    ]


def selectors(tree: Any, inside: tuple[str, ...] = ()) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Yield every selector of a syntax tree with the functions around it, outermost first."""
    if hasattr(tree, "matchers"):
        yield tree, inside
    elif hasattr(tree, "vector_selector"):
        yield tree.vector_selector, inside
    else:
        name = (tree.func.name,) if hasattr(tree, "func") else ()
        for child in _children(tree):
            yield from selectors(child, inside + name)


def _children(tree: Any) -> list[Any]:
    if hasattr(tree, "args"):
        return list(tree.args)
    return [getattr(tree, part) for part in ("expr", "lhs", "rhs") if hasattr(tree, part)]


def _unknown_labels(tree: Any) -> set[str]:
    """Return labels that an aggregation keeps although nothing below it can have them."""
    found: set[str] = set()
    for child in _children(tree):
        found |= _unknown_labels(child)
    kept = getattr(getattr(tree, "modifier", None), "labels", None)
    if kept is None:  # a binary operation's modifier has no such list
        return found
    known = families()
    there = set(EVERYWHERE) | _made_up(tree)
    for selector, _ in selectors(tree):
        there |= known.get(selector.name, frozenset())
    return found | set(kept) - there


def _made_up(tree: Any) -> set[str]:
    """Return the labels that label_replace and label_join below make."""
    made = {label for child in _children(tree) for label in _made_up(child)}
    if hasattr(tree, "func") and tree.func.name in {"label_replace", "label_join"}:
        made.add(tree.args[1].val)
    return made


def _frame(dashboard: Json) -> Iterator[str]:
    if not str(dashboard.get("uid", "")).startswith("mlobs-") or len(dashboard["uid"]) > 40:
        yield "has no uid that begins with mlobs- and has at most 40 characters; links would break"
    if "__inputs" in dashboard or dashboard.get("id") is not None:
        yield "has __inputs or an id, which file provisioning cannot resolve; remove them"
    if dashboard["templating"]["list"][0]["type"] != "datasource":
        yield "does not begin its variables with the data source; it would be empty elsewhere"
    if dashboard.get("graphTooltip") != 1:
        yield "has no shared crosshair; set graphTooltip to 1"
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(set(ids)) != len(ids):
        yield "gives two panels the same id; number them anew"


def _panel(panel: Json) -> Iterator[str]:
    for part, name in (("title", "title"), ("description", "meaning")):
        if not panel.get(part):
            yield f"has no {name}"
    if not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
        yield "has no unit; a bare number can be anything"
    if not panel.get("targets"):
        yield "asks nothing; give it a query"
    position = panel["gridPos"]
    if position["x"] + position["w"] > COLUMNS:
        yield f"reaches beyond column {COLUMNS}"
    for target in (panel, *panel.get("targets", ())):
        if target.get("datasource", {}).get("uid") != "${datasource}":
            yield "names a data source; use ${datasource}"
    if any(not target.get("legendFormat") for target in panel.get("targets", ())):
        yield "has a query without a legend"


def _overlap(one: Json, other: Json) -> bool:
    return bool(
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )
