"""Shapes sessions and users for their templates: data in, data out."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mlobs.server.engine import Value
from mlobs.server.pages.amounts import stamp
from mlobs.server.pages.links import address
from mlobs.server.pages.period import NAMES
from mlobs.server.pages.previews import preview
from mlobs.server.pages.traces.view import BEGINNINGS, TEXT_CHARACTERS

Row = Mapping[str, Any]
SCORES_SHOWN = 3
# What `statements.BEGINNINGS` is asked with.
KEYS: Mapping[str, Value] = {"keys": ",".join(BEGINNINGS), "characters": TEXT_CHARACTERS}


def ids(names: Sequence[str]) -> str:
    """Return ids as statements take them."""
    return json.dumps(list(names))


def pairs(traces: Sequence[Row]) -> str:
    """Return traces and whose they are, as statements take them."""
    return json.dumps([(row["trace_id"], row["id"]) for row in traces])


def ordered(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of some ids, in their order."""
    by_id = {row["id"]: row for row in rows}
    return [by_id[name] for name in names if name in by_id]


def listed(
    rows: Sequence[Row], scores: Sequence[Row], beginnings: Sequence[Row] = ()
) -> list[dict[str, Any]]:
    """Return the rows of a table.

    Args:
        rows: Of `statements.SUMS`.
        scores: Of `statements.scores`.
        beginnings: Of `statements.BEGINNINGS`.
    """
    begins = {row["id"]: row["beginning"] for row in beginnings}
    judged: dict[str, list[Row]] = {}
    for row in scores:
        judged.setdefault(row["id"], []).append(row)
    most = max((row["cost_usd"] or 0 for row in rows), default=0)
    return [
        {
            **row,
            "started": stamp(row["start_ns"]),
            "ended": stamp(row["end_ns"]),
            "lasted_ms": max(0, row["end_ns"] - row["start_ns"]) / 1e6,
            "tokens": added(row["input_tokens"], row["output_tokens"]),
            "preview": preview(begins.get(row["id"], "")),
            "scores": judged.get(row["id"], [])[:SCORES_SHOWN],
            "share": (row["cost_usd"] or 0) / most if most else 0,
        }
        for row in rows
    ]


def added(*counts: int | None) -> int | None:
    """Return a sum of what is known, None where nothing is.

    >>> added(1, None), added(None, None)
    (1, None)
    """
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def session_address(name: str, given: Mapping[str, object]) -> str:
    """Return where a session is shown, for a range."""
    return address("/session", _range(given), id=name)


def user_address(name: str, given: Mapping[str, object]) -> str:
    """Return where a user is shown, for a range."""
    return address("/user", _range(given), id=name)


def _range(given: Mapping[str, object]) -> dict[str, object]:
    return {name: given[name] for name in NAMES if given.get(name)}
