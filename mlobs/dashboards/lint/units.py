"""What a query counts, worked out on its tree, and whether a panel's unit fits that.

Units are those of the vocabulary; a rate adds `/s`, a share is `1`. Where nobody can know, any unit fits:
a number times another may have become anything.
"""

from typing import Any

from mlobs.dashboards.lint.names import bucket_unit, known
from mlobs.dashboards.lint.syntax import MAKERS, bare, children, is_filter, names

SHARE, UNKNOWN, ANYTHING = "1", "", "{figure}"
SHARES = frozenset({"{proportion}", "1"})
# What a query counts -> Grafana's units for it. Things that are counted are in braces.
FITTING: dict[str, frozenset[str]] = {
    "s": frozenset({"s", "dtdurations", "dateTimeFromNow"}),
    "By": frozenset({"bytes", "decbytes"}),
    "By/s": frozenset({"Bps", "binBps"}),
    "MiBy": frozenset({"mbytes"}),
    "%": frozenset({"percent"}),
    "W": frozenset({"watt"}),
    "Cel": frozenset({"celsius"}),
    "{USD}": frozenset({"currencyUSD"}),
    SHARE: frozenset({"percentunit", "suffix: x", "short"}),
}
COUNTED = frozenset({"short", "none", "suffix: x"})
COUNTED_A_SECOND = frozenset({"reqps", "cps", "ops", "rps"})


def fits(unit: str, measured: str) -> bool:
    """Tell whether a panel of `unit` may show what is measured."""
    if measured in {UNKNOWN, ANYTHING}:
        return True
    if measured in FITTING:
        return unit in FITTING[measured]
    if measured in SHARES:
        return unit in FITTING[SHARE]
    if measured.startswith("{") and measured.endswith("}/s"):
        return unit in COUNTED_A_SECOND or (unit.startswith("count:") and unit.endswith("/s"))
    return not measured.startswith("{") or unit in COUNTED or unit.startswith("count:")


def measured(tree: Any) -> str:
    """Return what a query counts, or UNKNOWN."""
    tree = bare(tree)
    kind = type(tree).__name__
    if hasattr(tree, "matchers"):
        row = known().get(tree.name or "")
        return row.unit if row else UNKNOWN
    if kind == "AggregateExpr":
        counts = str(tree.op) in {"count", "count_values", "group"}
        return "{series}" if counts and not is_filter(tree) else measured(tree.expr)
    if kind == "Call":
        return _of_call(tree)
    if kind == "BinaryExpr":
        return _of_two(tree)
    below = children(tree)
    return measured(below[0]) if below else UNKNOWN


def _of_call(tree: Any) -> str:
    name = tree.func.name
    if name == "histogram_quantile":
        units = {bucket_unit(found) for found in names(tree.args[1])}
        return units.pop() if len(units) == 1 else UNKNOWN
    if name in {"rate", "irate", "deriv"}:
        unit = measured(tree.args[0])
        return f"{unit}/s" if unit else UNKNOWN
    if name in MAKERS or name.startswith("absent") or not tree.args:
        return UNKNOWN
    return measured(tree.args[0])


def _of_two(tree: Any) -> str:
    operator = str(tree.op)
    one, other = measured(tree.lhs), measured(tree.rhs)
    if operator in {"+", "-", "or"}:
        return one or other
    if operator in {"*", "/"} and UNKNOWN in {one, other}:
        # So many things times a number are still such things: a rate times 3600 is a cost of an hour.
        things = one or (other if operator == "*" else UNKNOWN)
        number = bare(tree.rhs if one else tree.lhs)
        scales = (
            type(number).__name__ == "NumberLiteral"
            or getattr(getattr(number, "func", None), "name", "") in MAKERS
        )
        counted = things.startswith("{") and things not in SHARES
        return things.removesuffix("/s") if scales and counted else UNKNOWN
    if operator == "/":
        if one and one == other:
            return SHARE
        # A thing for each of another thing is counted as the first one is.
        each = one.endswith("/s") and other.endswith("/s")
        return one.removesuffix("/s") if each else UNKNOWN
    if operator == "*" or operator in {"%", "^", "atan2"}:
        return UNKNOWN
    return one
