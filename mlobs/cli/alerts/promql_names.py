"""What is wrong with a PromQL expression of a rule: syntax, metrics nobody sends, labels nobody has.

Metrics of others (the Collector, Prometheus itself, your own) are taken as they are, unless their name is
nearly one of ours, or begins like ours: then it is a typo.
"""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from mlobs._extras import require
from mlobs.dashboards.lint import EVERYWHERE, families, selectors
from mlobs.semconv import attributes as a
from mlobs.semconv.attributes import ATTRIBUTES

OURS = ("mlobs_", "mlobs:", "gen_ai_")
SIMILAR = 0.9
# Exporters can put what belongs to the resource on every series.
OF_RESOURCE = {one.label for one in (a.SERVICE_VERSION, a.SERVICE_INSTANCE_ID, a.DEPLOYMENT_ENVIRONMENT)}


def problems(expression: str, recorded: Iterable[str] = ()) -> list[str]:
    """Return what is wrong with an expression, as ends of sentences about it.

    Args:
        expression: PromQL.
        recorded: Series that rules record.
    """
    promql = require("promql_parser", extra="server", feature="Checking PromQL")
    try:
        tree = promql.parse(expression)
    except ValueError as error:
        return [f"is not PromQL: {' '.join(str(error).split())}"]
    known, own = families(), set(recorded)
    found: list[str] = []
    for selector, _ in selectors(tree):
        name = _name(selector)
        if name is None or name in own:
            continue
        if name not in known:
            found += _stranger(name, [*known, *own])
            continue
        allowed = known[name] | EVERYWHERE
        found += [
            f"chooses {name} by the label {matcher.name}, which it does not have"
            f"{_instead(matcher.name, allowed)}"
            for matcher in selector.matchers.matchers
            if matcher.name not in allowed and _mistaken(matcher.name, allowed)
        ]
    return list(dict.fromkeys([*found, *_grouped(tree, known, own)]))


def _name(selector: Any) -> str | None:
    """Return the metric a selector names; None if it chooses metrics by a pattern."""
    equal = require("promql_parser", extra="server", feature="Checking PromQL").MatchOp.Equal
    if selector.name:
        return str(selector.name)
    for matcher in selector.matchers.matchers:
        if matcher.name == "__name__" and matcher.op == equal:
            return str(matcher.value)
    return None


def _stranger(name: str, known: list[str]) -> Iterator[str]:
    ours = name.startswith(OURS)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6 if ours else SIMILAR)
    if ours or close:
        whose = "which no rule records" if ":" in name else "which no row of mlobs.semconv makes"
        yield f"asks for {name}, {whose}{f'; did you mean {close[0]}?' if close else ''}"


def _grouped(tree: Any, known: dict[str, frozenset[str]], own: set[str]) -> Iterator[str]:
    """Yield labels an aggregation keeps although no series below it has them."""
    for part in ("args", "expr", "lhs", "rhs"):
        child = getattr(tree, part, None)
        if child is not None:
            for one in child if isinstance(child, list) else [child]:
                yield from _grouped(one, known, own)
    modifier = getattr(tree, "modifier", None)
    if modifier is None or not hasattr(modifier, "labels") or "Without" in str(modifier.type):
        return
    names = [_name(selector) for selector, _ in selectors(tree)]
    if not names or any(name not in known for name in names):
        return  # Of others' metrics and recorded series the labels are not known.
    there = set(EVERYWHERE).union(*(known[name] for name in names if name is not None)) | _made(tree)
    for label in modifier.labels:
        if label not in there and _mistaken(label, there):
            yield f"keeps the label {label}, which none of its series has{_instead(label, there)}"


def _made(tree: Any) -> set[str]:
    """Return the labels that label_replace and label_join below make."""
    made: set[str] = set()
    for part in ("args", "expr", "lhs", "rhs"):
        child = getattr(tree, part, None)
        for one in () if child is None else child if isinstance(child, list) else [child]:
            made |= _made(one)
    if hasattr(tree, "func") and tree.func.name in {"label_replace", "label_join"}:
        made.add(tree.args[1].val)
    return made


def _mistaken(label: str, there: Iterable[str]) -> bool:
    """Tell whether a label cannot be one that somebody's scraper or Collector adds to every series."""
    if label in OF_RESOURCE:
        return False
    ours = {attribute.label for attribute in ATTRIBUTES}
    return label in ours or bool(difflib.get_close_matches(label, [*there, *ours], n=1, cutoff=SIMILAR))


def _instead(label: str, there: Iterable[str]) -> str:
    close = difflib.get_close_matches(label, list(there), n=1)
    return f"; did you mean {close[0]}?" if close else ""
