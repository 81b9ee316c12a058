"""Exemplars: for each series and bucket of a derived histogram, a call that fell into it.

A view keeps the newest span of each series and step between two bounds of any metric that measures the same,
so at least one for each bucket. Whoever looks at a slow bucket, or at the series of an error, finds one of
the calls behind it, however many quick ones came meanwhile: the slow have buckets of their own, and those
that failed have series of their own.

What is kept is bounded by series and steps, is left out of /metrics after `RECENT_S`, and goes when parts
are merged that are an hour old. It need not be durable, so it is not synced.

Why not the buckets of each metric: a row for each measure and bucket made the statement dearer to plan, which
every segment pays.
"""

from collections.abc import Mapping

from mlobs.semconv.metrics import DERIVED, TIME_TO_FIRST_CHUNK
from mlobs.server.derived import (
    DURATION,
    OPERATION,
    OPERATIONS,
    PARTS,
    label_columns,
    label_map,
    measure,
    span_value,
)
from mlobs.server.ends import end_ns

VIEW, TABLE = "exemplars_view", "exemplars"
RECENT_S = 300
ROWS_MAX = 10_000  # The newest; in an answer of /metrics.
FIRST_CHUNK = TIME_TO_FIRST_CHUNK.measures
NO_STEP = 2**63  # Of spans without a first chunk.
# What metrics measure, and as what `queries/metric_exemplars.sql` answers it.
SHOWN: Mapping[str, str] = {DURATION: "duration_s", FIRST_CHUNK: "first_chunk_s"}


def _step(column: str, value: str) -> str:
    """Return the bound that is below a value in billionths; a value on a bound is within it."""
    found = {
        round(bound * PARTS) for metric in DERIVED if measure(metric) == column for bound in metric.buckets
    }
    return f"roundDown(toUInt64(greatest({value}, 1) - 1), [{', '.join(map(str, sorted({0, *found})))}])"


def exemplars_view() -> str:
    """Return the statement that creates the view from spans to exemplars."""
    columns = ", ".join(label_columns().values())
    operations = ", ".join(f"'{one}'" for one in OPERATIONS)
    first = span_value(TIME_TO_FIRST_CHUNK)
    # Those without one apart: else the newest call would be told with the first chunk of another.
    chunk = f"if(isNull({first}), {NO_STEP}, {_step(FIRST_CHUNK, f'ifNull({first}, 0)')})"
    newest = {name: f"argMax({name}, Timestamp)" for name in ("TraceId", "SpanId", *SHOWN)}
    # A clock that is ahead must not make a span the newest for long, nor one that is beyond all time fail.
    ended = end_ns("toUnixTimestamp64Nano(started)", f"newest_{DURATION}")
    return f"""CREATE MATERIALIZED VIEW {VIEW} TO {TABLE} AS
SELECT operation AS Operation, ServiceName, {label_map()} AS Labels, step AS Step,
    least(fromUnixTimestamp64Nano({ended}, 'UTC'), now64(9, 'UTC')) AS Moment,
    {", ".join(f"newest_{name} AS {name}" for name in newest)}
FROM (
    SELECT {OPERATION} AS operation, ServiceName, {columns}, ({_step(DURATION, DURATION)}, {chunk}) AS step,
        max(Timestamp) AS started, {", ".join(f"{one} AS newest_{name}" for name, one in newest.items())}
    FROM otel_traces WHERE operation IN ({operations})
    GROUP BY operation, ServiceName, {columns}, step
)"""
