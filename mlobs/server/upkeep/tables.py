"""The tables that hold what arrived, by signal, and the column with the time of each."""

from collections.abc import Mapping

from mlobs.server.wire import TABLES

UNKNOWN_CLOCK = "1970-01-01"  # The partition of rows whose clock is not believed.
TIMES: Mapping[str, str] = {
    "otel_traces": "Timestamp",
    "minutes": "Minute",
    "ten_minutes": "Minute",
    "turns": "Minute",
    "agents": "Ten",
    "call_sums": "Ten",
    "otel_logs": "Timestamp",
    "scores": "Timestamp",
    **dict.fromkeys(TABLES["metrics"], "TimeUnix"),
}
SIGNALS: Mapping[str, tuple[str, ...]] = {
    "traces": ("otel_traces", "minutes", "ten_minutes", "turns", "agents", "call_sums"),
    "logs": ("otel_logs", "scores"),
    "metrics": TABLES["metrics"],
}
