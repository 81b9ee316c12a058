"""Puts the questions that are not lists to a store, and shapes what it answers.

Everything is data in, data out but for `ask`, which runs a statement. An absent fact is None, never zero.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mlobs.server.answers import moment
from mlobs.server.ask import statements
from mlobs.server.ask.compiling import Condition, Value
from mlobs.server.ask.keys import ATTRIBUTE_MAPS, grouping, in_content
from mlobs.server.ask.listing import NEAR_NS, Ask, Row
from mlobs.server.ask.ranges import Range, around

GROUPS_MAX = 1_000
NUMBER_MAX = 2**63 - 1
COMPARED = ("spans", "errors", "error_ratio", "duration_ms", "time_to_first_chunk_s", "tokens", "cost_usd")


def aggregate(
    ask: Ask,
    by: Sequence[str],
    where: Condition,
    within: Range,
    *,
    order: str,
    limit: int,
    step_ns: int = 0,
    measures: Collection[str] = tuple(statements.MEASURES),
) -> list[Row]:
    """Return sums, ratios and quantiles of spans, a row for each group (and step of time).

    Quantiles are estimates from a sample of 8,192 spans of each group. What is not among `measures` is not
    there; `order` adds what it needs.

    Raises:
        QueryError: Nothing is grouped by one of `by`.
    """
    expressions = []
    params: dict[str, Value] = {**where.params, **within.params(), "limit": limit}
    for number, name in enumerate(by):
        expression, named = grouping(name, long=_has_long(ask, name, within))
        expressions.append(expression.replace("{by_name:", f"{{by_{number}:"))
        params |= {f"by_{number}": value for value in named.values()}
    if step_ns:
        params["step_ns"] = step_ns
    statement = statements.aggregate(
        expressions, where, order, step=step_ns > 0, measures={*measures, statements.MEASURED.get(order, "")}
    )
    rows = ask(statement, params)
    return [_group(row, by) for row in rows]


def compared(now: Sequence[Row], then: Sequence[Row]) -> list[Row]:
    """Return the groups of two aggregates side by side, with what changed; the most changed in number first.

    >>> compared([{"group": {"model": "a"}, "spans": 3}], [])[0]["change"]["spans"]
    3
    """
    sides = [{tuple(row["group"].items()): row for row in rows} for rows in (now, then)]
    found = []
    for group in dict.fromkeys([*sides[0], *sides[1]]):
        new, old = (side.get(group) for side in sides)
        found.append({"group": dict(group), "now": new, "then": old, "change": _change(new or {}, old or {})})
    return sorted(found, key=lambda row: -abs(row["change"]["spans"] or 0))


def errors(ask: Ask, where: Condition, within: Range, limit: int) -> list[Row]:
    """Return the types of error, where they happened and an example of each."""
    rows = ask(statements.errors(where), {**where.params, **within.params(), "limit": limit})
    return [
        {
            **{name: row[name] for name in ("type", "service", "name", "spans", "traces")},
            "first": moment(row["first_ns"]),
            "last": moment(row["last_ns"]),
            "example_trace_id": row["example_trace_id"],
            "example_message": row["example_message"] or None,
        }
        for row in rows
    ]


def running(ask: Ask, where: Condition, within: Range, limit: int) -> list[Row]:
    """Return the traces whose root has not arrived: runs in progress, and runs whose end was lost."""
    # The root is the first to begin: of traces that began before the range, it lies before it.
    wide = around(within.since_ns, within.until_ns, by_ns=NEAR_NS)
    # The words of a filter are looked for around the range; the roots further away.
    roots = {f"root_{name}": value for name, value in wide.items()}
    params = {**where.params, **within.params(), **roots, "limit": limit}
    rows = ask(statements.running(where), params)
    return [
        {
            "trace_id": row["trace_id"],
            "service": row["service"],
            "first_name": row["first_name"],
            "last_name": row["last_name"],
            "started": moment(row["start_ns"]),
            "last_seen": moment(row["last_ns"]),
            "quiet_s": max(0.0, (within.now_ns - row["last_ns"]) / 1e9),
            **{name: row[name] for name in ("spans", "errors", "input_tokens", "output_tokens", "cost_usd")},
        }
        for row in rows
    ]


def session(row: Mapping[str, Any]) -> Row:
    """Return a session as the API shows it."""
    return {
        "session_id": row["session_id"],
        "started": moment(row["start_ns"]),
        "ended": moment(row["end_ns"]),
        "user": row["user"] or None,
        **{name: row[name] for name in ("services", "agents", "traces", "spans", "errors")},
        **{name: row[name] for name in ("input_tokens", "output_tokens", "cost_usd")},
    }


def attribute_keys(ask: Ask, beginning: str, within: Range, limit: int) -> list[Row]:
    """Return the attributes that spans of the range have, by how many of a sample have them."""
    return ask(statements.attribute_keys(), {"beginning": beginning, "limit": limit, **within.params()})


def attribute_values(ask: Ask, key: str, beginning: str, within: Range, limit: int) -> list[Row]:
    """Return the most frequent values of a key.

    Raises:
        QueryError: There is no such key, or its values are amounts.
    """
    expression, params = grouping(key)
    asked: dict[str, Value] = {**params, "beginning": beginning, "limit": limit, **within.params()}
    return ask(statements.attribute_values(expression), asked)


def _has_long(ask: Ask, name: str, within: Range) -> bool:
    """Return whether spans of a range have an attribute whose text is kept apart for its length.

    The names are read alone, so that the content is only where it must be.
    """
    prefix, _, rest = name.partition(".")
    if len(ATTRIBUTE_MAPS.get(prefix, ())) < 2 or not rest or in_content(rest):
        return False
    return bool(ask(statements.LONG_ONE, {"name": rest, **within.params()}))


def _group(row: Row, by: Sequence[str]) -> Row:
    """Return a group with what was measured."""
    shown: Row = {"time": moment(row["at_ns"])} if row.get("at_ns") else {}
    shown["group"] = {name: row[f"group_{number}"] or None for number, name in enumerate(by)}
    shown["spans"] = row["spans"]
    if "traces" in row:
        shown["traces"] = row["traces"]
    if "errors" in row:
        shown["errors"] = row["errors"]
        shown["error_ratio"] = row["errors"] / row["spans"] if row["spans"] else None
    if "duration" in row:
        shown["total_ms"] = row["total_ns"] / 1e6
        shown["duration_ms"] = _quantiles(row["duration"], 1e6) if row["spans"] else None
    if "first_chunk" in row:
        chunks = _quantiles(row["first_chunk"], 1) if row["first_chunks"] else None
        shown["time_to_first_chunk_s"] = chunks
    if "cost_usd" in row:
        tokens = [count for count in (row["input_tokens"], row["output_tokens"]) if count is not None]
        shown |= {name: row[name] for name in ("input_tokens", "output_tokens", "cost_usd")}
        # More, which JSON has no place for, can only be of what no call can have.
        shown["tokens"] = min(sum(tokens), NUMBER_MAX) if tokens else None
    return shown


def _quantiles(values: Sequence[float], divisor: float) -> dict[str, float]:
    return {
        f"p{round(level * 100)}": value / divisor
        for level, value in zip(statements.QUANTILES, values, strict=True)
    }


def _change(new: Mapping[str, Any], old: Mapping[str, Any]) -> Row:
    """Return new minus old, None where one of them has no such fact; of what is counted, none is zero."""
    found: Row = {}
    for name in COMPARED:
        values = [side.get(name) for side in (new, old)]
        if name in {"spans", "errors"}:
            values = [value or 0 for value in values]
        found[name] = _difference(*values)
    return found


def _difference(new: Any, old: Any) -> Any:
    if new is None or old is None:
        return None
    if isinstance(new, Mapping):
        return {name: new[name] - old[name] for name in new}
    return new - old
