"""PromQL as a tree, with Grafana's variables put in first: what is inside what, and which labels are left."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

from mlobs._extras import require
from mlobs.dashboards.lint.names import known, of_resources
from mlobs.errors import DataError

# Grafana puts these in before Prometheus sees the query.
SUBSTITUTES = {"$__rate_interval": "5m", "$__interval": "1m", "$__range": "1h"}
ALL = ".*"
# Windows that nobody would write: by them the tree still knows what stood there.
MARKS = {"$__rate_interval": "7m7s", "$__interval": "1m1s", "$__range": "13h13s"}
RATE_INTERVAL, RANGE = timedelta(minutes=7, seconds=7), timedelta(hours=13, seconds=13)
LABELLING = frozenset({"label_replace", "label_join"})
FILTERS = frozenset({"topk", "bottomk", "limitk"})
# Functions that make a vector of their own.
MAKERS = frozenset({"vector", "time", "scalar", "days_in_month"})


def concrete(expr: str, variables: Iterable[str], *, substitutes: Mapping[str, str] = SUBSTITUTES) -> str:
    """Return a query as Prometheus would get it with every variable at "All".

    >>> concrete('rate(x{a=~"$model"}[$__rate_interval])', ["model"])
    'rate(x{a=~".*"}[5m])'
    """
    for name, value in substitutes.items():
        bare = re.escape(name.removeprefix("$"))
        expr = re.sub(rf"\${{{bare}(?::\w+)?}}|\${bare}(?:_ms|_s)?\b", value, expr)
    for name in sorted(variables, key=len, reverse=True):
        bare = re.escape(name)
        expr = re.sub(rf"\[\s*(?:\${bare}\b|\${{{bare}(?::\w+)?}})\s*\]", "[5m]", expr)
        expr = re.sub(rf"\${{{bare}(?::\w+)?}}|\[\[{bare}(?::\w+)?\]\]|\${bare}\b", ALL, expr)
    return expr


def parse(expr: str, variables: Iterable[str]) -> Any:
    """Return the tree of a query.

    Raises:
        DataError: It is not PromQL.
    """
    return _parsed(concrete(expr, variables, substitutes=MARKS))


@lru_cache(maxsize=256)
def _parsed(expr: str) -> Any:
    # Every rule wants the tree, and nobody changes it.
    promql = require("promql_parser", extra="grafana", feature="Checking dashboards")
    try:
        return promql.parse(expr)
    except ValueError as error:
        raise DataError(" ".join(str(error).split())) from None


def walk(tree: Any, inside: tuple[str, ...] = ()) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Yield every part of a tree with the functions around it, outermost first."""
    yield tree, inside
    name = (tree.func.name,) if hasattr(tree, "func") else ()
    for child in children(tree):
        yield from walk(child, inside + name)


def selectors(tree: Any) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Yield every selector of a tree with the functions around it, outermost first."""
    for part, inside in walk(tree):
        if hasattr(part, "matchers"):
            yield part, inside


def names(tree: Any) -> Iterator[str]:
    """Yield the metric's name of every selector that has one."""
    yield from (str(selector.name) for selector, _ in selectors(tree) if selector.name)


def children(tree: Any) -> list[Any]:
    """Return the parts of a tree that are right below it."""
    if hasattr(tree, "vector_selector"):
        return [tree.vector_selector]
    if hasattr(tree, "args"):
        return list(tree.args)
    found = [getattr(tree, part) for part in ("expr", "lhs", "rhs") if hasattr(tree, part)]
    return [part for part in found if part is not None]


def bare(tree: Any) -> Any:
    """Return what is inside the brackets, if there are any."""
    while type(tree).__name__ == "ParenExpr":
        tree = tree.expr
    return tree


def is_filter(tree: Any) -> bool:
    """Tell whether a part takes the largest or smallest series and leaves them as they are."""
    return hasattr(tree, "param") and str(tree.op) in FILTERS


def left(tree: Any) -> frozenset[str] | None:
    """Return the labels that the series of a query have; None if nobody can know."""
    tree = bare(tree)
    kind = type(tree).__name__
    if hasattr(tree, "matchers"):
        row = known().get(tree.name or "")
        return row.labels if row else None
    if kind == "AggregateExpr":
        return _aggregated(tree)
    if kind == "Call":
        return _called(tree)
    if kind == "BinaryExpr":
        return _joined(tree)
    if kind in {"NumberLiteral", "StringLiteral"}:
        return frozenset()
    below = children(tree)
    return left(below[0]) if below else None


def made_up(tree: Any) -> frozenset[str]:
    """Return the labels that label_replace and label_join below make."""
    return frozenset(
        str(part.args[1].val)
        for part, _ in walk(tree)
        if hasattr(part, "func") and part.func.name in LABELLING and hasattr(part.args[1], "val")
    )


def _aggregated(tree: Any) -> frozenset[str] | None:
    below = left(tree.expr)
    if is_filter(tree):
        return below
    if tree.modifier is None:
        return frozenset()
    named = frozenset(tree.modifier.labels)
    if str(tree.modifier.type).endswith("Without"):
        return None if below is None else below - named
    of_resource = frozenset(label for label in named if of_resources(label))
    return named if below is None else named & (below | of_resource | made_up(tree.expr))


def _called(tree: Any) -> frozenset[str] | None:
    name = tree.func.name
    if name in MAKERS or not tree.args:
        return frozenset()
    if name == "histogram_quantile":
        below = left(tree.args[1])
        return None if below is None else below - {"le"}
    below = left(tree.args[0])
    if name in LABELLING and below is not None:
        return below | made_up(tree)
    return None if below is None else below - {"__name__"}


def _joined(tree: Any) -> frozenset[str] | None:
    one, other = left(tree.lhs), left(tree.rhs)
    if one is None or other is None:
        return None
    scalars = {"NumberLiteral"}
    if type(bare(tree.lhs)).__name__ in scalars or _is_time(tree.lhs):
        return other - {"__name__"}
    if type(bare(tree.rhs)).__name__ in scalars or str(tree.op) in {"and", "unless"}:
        return one
    if str(tree.op) == "or":
        return one & other
    return one - {"__name__"}


def _is_time(tree: Any) -> bool:
    tree = bare(tree)
    return hasattr(tree, "func") and tree.func.name == "time"
