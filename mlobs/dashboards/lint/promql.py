"""Rules about one PromQL query, on its syntax tree."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from mlobs.dashboards.lint.findings import Problem
from mlobs.dashboards.lint.names import NATIVE, SCRAPED, grows, known, of_resources
from mlobs.dashboards.lint.syntax import (
    ALL,
    FILTERS,
    RANGE,
    RATE_INTERVAL,
    bare,
    children,
    is_filter,
    left,
    made_up,
    names,
    parse,
    selectors,
    walk,
)
from mlobs.dashboards.queries import CALL, SERIES_MAX, VARIABLES
from mlobs.errors import DataError
from mlobs.semconv import attributes as a
from mlobs.semconv import foreign as f
from mlobs.semconv import metrics as m

RATES = ("rate", "irate", "increase")
DAY_S = 86_400
# Labels with a handful of values, whatever a user does.
FEW = frozenset(
    {
        CALL,
        "le",
        "alertstate",
        "severity",
        *(
            label.label
            for label in (
                a.SIGNAL,
                a.REASON,
                a.OUTCOME,
                a.FINISH,
                a.DRIFT_METHOD,
                a.QUALITY_MEASURE,
                a.QUALITY_WINDOW,
                a.LABEL_OUTCOME,
                a.SCHEMA_FINDING,
                a.SDK_DROPPED,
                a.ORIGIN,
                a.FATE,
                f.FINISHED_REASON,
            )
        ),
    }
)
# Label -> the variable of our dashboards that chooses by it.
CHOSEN = {label.label: variable for variable, labels in VARIABLES.items() for label in labels}
# Where nothing is zero: nobody fires an alert.
TRULY_ZERO = frozenset({m.ALERT_FIRING.prometheus, *NATIVE})


def problems(expr: str, variables: Sequence[str]) -> Iterator[Problem]:
    """Yield what is wrong with a query, whatever panel it is in."""
    try:
        tree = parse(expr, variables)
    except DataError as error:
        yield "target-promql", f"is not PromQL: {error}"
        return
    yield from _windows(tree)
    yield from _chosen(tree)
    yield from _kept(tree)
    yield from _quantiles(tree)
    yield from _zeros(tree)
    yield from _ratios(tree)


def job_and_instance(expr: str, variables: Sequence[str]) -> Iterator[Problem]:
    """Yield the public linter's two rules about the scraper's own labels."""
    try:
        tree = parse(expr, variables)
    except DataError:
        return
    for label in ("job", "instance"):
        if any(
            label not in {matcher.name for matcher in selector.matchers.matchers}
            for selector, _ in selectors(tree)
        ):
            yield f"target-{label}", f'does not choose by {label}; add {label}=~"${label}"'


def unlimited(expr: str, variables: Sequence[str]) -> bool:
    """Tell whether a query may have more series than somebody can tell apart."""
    try:
        return _unlimited(bare(parse(expr, variables)))
    except DataError:
        return False


def restless(expr: str, variables: Sequence[str]) -> bool:
    """Tell whether a query takes the largest series anew at each moment."""
    try:
        tree = bare(parse(expr, variables))
    except DataError:
        return False
    return is_filter(tree)


def is_mean(expr: str, variables: Sequence[str]) -> bool:
    """Tell whether a query divides a histogram's sum by its count."""
    try:
        tree = bare(parse(expr, variables))
    except DataError:
        return False
    if type(tree).__name__ != "BinaryExpr" or str(tree.op) != "/":
        return False
    sums = {name.removesuffix("_sum") for name in names(tree.lhs) if name.endswith("_sum")}
    counts = {name.removesuffix("_count") for name in names(tree.rhs) if name.endswith("_count")}
    return bool(sums & counts)


def labels_left(expr: str, variables: Sequence[str]) -> frozenset[str] | None:
    """Return the labels that a query's series have; None if nobody can know."""
    try:
        return left(parse(expr, variables))
    except DataError:
        return None


def _unlimited(tree: Any) -> bool:
    tree = bare(tree)
    if is_filter(tree):
        return not float(getattr(bare(tree.param), "val", tree.param)) <= SERIES_MAX
    kind = type(tree).__name__
    if kind == "BinaryExpr" and str(tree.op) == "or":
        return _unlimited(tree.lhs) or _unlimited(tree.rhs)
    if kind == "BinaryExpr" and str(tree.op) == "and":
        return _unlimited(tree.lhs) and _unlimited(tree.rhs)
    labels = left(tree)
    return labels is not None and bool(labels - FEW - SCRAPED)


def _windows(tree: Any) -> Iterator[Problem]:
    for part, inside in walk(tree):
        if not hasattr(part, "vector_selector") or not inside or inside[-1] not in RATES:
            continue
        window, function = part.range, inside[-1]
        # An increase may be of a whole day or of all that is shown; it says so itself.
        named = function == "increase" and (window == RANGE or not window.total_seconds() % DAY_S)
        if window != RATE_INTERVAL and not named:
            shown = f"{window.total_seconds():g} s"
            yield (
                "target-rate-interval",
                f"takes {function} over {shown}; use [$__rate_interval], which follows the scrape interval",
            )


def _chosen(tree: Any) -> Iterator[Problem]:
    for selector, functions in selectors(tree):
        name = str(selector.name or "")
        if not name:
            continue
        if functions and functions[-1] in RATES and name in known() and not grows(name):
            yield (
                "gauge-rate",
                f"takes {functions[-1]} of {name}, which may also fall; show it, or use delta",
            )
        in_rate = set(functions) & {*RATES, "absent", "absent_over_time"}
        if grows(name) and not in_rate and not _only_counted(tree, selector):
            yield "target-counter-agg", f"shows the counter {name} without rate or increase around it"
        row = known().get(name)
        if row is None:
            yield "metric-known", f"asks for {name}, which no row of mlobs.semconv makes"
            continue
        # Kinds of calls that are told apart by a made-up label obey every choice: a label that a kind does
        # not have fits All, and where one value is chosen the kind is not meant.
        together = "label_replace" in functions
        for matcher in selector.matchers.matchers:
            if together and matcher.name in CHOSEN and matcher.value == ALL:
                continue
            if matcher.name not in row.labels | of_resources(matcher.name) and name not in NATIVE:
                yield "label-carried", f"chooses {name} by the label {matcher.name}, which it does not have"


def _only_counted(tree: Any, selector: Any) -> bool:
    """Tell whether a selector only says which series there are, as inside count."""
    return any(
        str(getattr(part, "op", "")) in {"count", "group"} and str(selector) in str(part)
        for part, _ in walk(tree)
    )


def _kept(tree: Any) -> Iterator[Problem]:
    for part, _ in walk(tree):
        modifier = getattr(part, "modifier", None)
        if type(part).__name__ != "AggregateExpr" or modifier is None:
            continue
        if str(part.op) in FILTERS or str(modifier.type).endswith("Without"):
            continue
        found = [known().get(name) for name in names(part)]
        if not found or None in found or len(found) != len(list(selectors(part))):
            continue  # Of series that we do not know, nobody can say.
        there = SCRAPED.union(*(row.labels for row in found if row)) | made_up(part)
        for label in modifier.labels:
            if label not in there | of_resources(label):
                yield "label-kept", f"keeps the label {label}, which none of its series has"


def _quantiles(tree: Any) -> Iterator[Problem]:
    for part, _ in walk(tree):
        if not hasattr(part, "func") or part.func.name != "histogram_quantile":
            continue
        wrong = [name for name in names(part.args[1]) if not name.endswith("_bucket")]
        if wrong:
            yield "quantile-buckets", f"takes a percentile of {wrong[0]}, which are no buckets"
        for below, _ in walk(part.args[1]):
            if type(below).__name__ != "AggregateExpr" or is_filter(below):
                continue
            labels = getattr(below.modifier, "labels", [])
            without = below.modifier is not None and str(below.modifier.type).endswith("Without")
            if ("le" in labels) == without:
                yield "quantile-buckets", "takes a percentile of sums without le; write sum by (le, ...)"


def _zeros(tree: Any) -> Iterator[Problem]:
    for part, _ in walk(tree):
        if str(getattr(part, "op", "")) != "or":
            continue
        nothing = bare(part.rhs)
        is_zero = hasattr(nothing, "func") and nothing.func.name == "vector" and _value(nothing) == 0
        if is_zero and not set(names(part.lhs)) <= TRULY_ZERO:
            yield (
                "zero",
                "shows 0 where there is no data; leave `or vector(0)` out, or say what makes it true",
            )


def _ratios(tree: Any) -> Iterator[Problem]:
    for part, _ in walk(tree):
        if str(getattr(part, "op", "")) != "/" or not hasattr(part, "rhs"):
            continue
        above, below = _choices(part.lhs), _choices(part.rhs)
        if above is None or below is None:
            continue
        for variable in sorted(above ^ below):
            yield (
                "ratio-choices",
                f"divides what {variable} narrows and what it does not; both halves have to obey one choice",
            )


def _choices(tree: Any) -> frozenset[str] | None:
    """Return the variables that a half of a ratio obeys; None where it asks nothing."""
    found = [selector.matchers.matchers for selector, _ in selectors(tree)]
    if not found:
        return None
    return frozenset(
        CHOSEN[matcher.name]
        for matchers in found
        for matcher in matchers
        if matcher.name in CHOSEN and matcher.value == ALL
    )


def _value(call: Any) -> float | None:
    found = children(call)
    value = getattr(bare(found[0]), "val", None) if found else None
    return float(value) if value is not None and re.fullmatch(r"[\d.]+", str(value)) else None
