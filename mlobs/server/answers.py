"""Rows of the store as the API's answers. An absent fact is None, never zero or empty text."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

Row = Mapping[str, Any]
DURATION_NS_MAX = 315_576_000 * 10**9  # Ten years, as for spans.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def traces(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows of `queries/trace_list.sql` for GET /api/traces."""
    return [
        {
            "trace_id": row["trace_id"],
            "name": row["name"],
            "service": row["service"],
            "started": moment(row["start_ns"]),
            "duration_ms": min(max(0, row["end_ns"] - row["start_ns"]), DURATION_NS_MAX) / 1e6,
            "spans": row["spans"],
            "errors": row["errors"],
            "finished": bool(row["finished"]),
            "input_tokens": row["input_tokens"],
            "output_tokens": row["output_tokens"],
            "cost_usd": row["cost_usd"],
        }
        for row in rows
    ]


def spans(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows of `queries/trace_spans.sql` for GET /api/traces/{id}."""
    first_ns = min((row["start_ns"] for row in rows), default=0)
    return [_span(row, first_ns) for row in rows]


def moment(unix_ns: int) -> str:
    """Return a time as ISO 8601 in UTC.

    >>> moment(1_500_000_000)
    '1970-01-01T00:00:01.500000Z'
    """
    return (_EPOCH + timedelta(microseconds=unix_ns // 1000)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _span(row: Row, first_ns: int) -> dict[str, Any]:
    texts = {
        name: row[name] or None for name in ("noun", "operation", "error_type", "state", "status_message")
    }
    return {
        "span_id": row["span_id"],
        "parent_span_id": row["parent_span_id"] or None,
        "name": row["name"],
        "kind": row["kind"],
        **texts,
        "service": row["service"],
        "started": moment(row["start_ns"]),
        "start_offset_ms": (row["start_ns"] - first_ns) / 1e6,
        "duration_ms": row["duration_ns"] / 1e6,
        "status": row["status"],
        "input_tokens": row["input_tokens"],
        "output_tokens": row["output_tokens"],
        "cost_usd": row["cost_usd"],
        "time_to_first_chunk_s": row["time_to_first_chunk_s"],
        "attributes": row["attributes"],
        "events": [
            {"name": name, "time": moment(time_ns), "attributes": attributes}
            for name, time_ns, attributes in zip(
                row["event_names"], row["event_times_ns"], row["event_attributes"], strict=True
            )
        ],
    }
