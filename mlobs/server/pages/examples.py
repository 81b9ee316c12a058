"""Traces that something points at, such as an alert or drift, as a short table."""

import json
from collections.abc import Sequence
from typing import Any

from mlobs.server.ask.statements import CALLS
from mlobs.server.engine import Value
from mlobs.server.pages.previews import preview
from mlobs.server.pages.traces.view import AROUND_NS, BEGINNINGS, TEXT_CHARACTERS
from mlobs.server.store import Store


def examples(store: Store, trace_ids: Sequence[str], since_ns: int, until_ns: int) -> list[dict[str, Any]]:
    """Return what is known of some traces, the newest first; of one that is gone, only its id.

    Args:
        store: Is asked.
        trace_ids: Which.
        since_ns: They did not begin long before.
        until_ns: Nor long after.
    """
    if not trace_ids:
        return []
    params: dict[str, Value] = {
        "ids": json.dumps(list(trace_ids)),
        "since_ns": max(0, since_ns - AROUND_NS),
        "until_ns": min(2**63 - 1, until_ns + AROUND_NS),
        "keys": ",".join(BEGINNINGS),
        "characters": TEXT_CHARACTERS,
        "operations": ",".join(CALLS),
    }
    rows = store.named("page_examples", params)
    found = [{**row, "preview": preview(row["beginning"]), "known": True} for row in rows]
    known = {row["trace_id"] for row in rows}
    return found + [{"trace_id": one, "known": False} for one in trace_ids if one not in known]
