"""The metrics of /metrics that come from scores: SQL made from the rows of the vocabulary.

A view adds every score into `metric_totals`, beside what spans add up to.
"""

from mlobs.semconv import attributes as a
from mlobs.semconv.events import EVALUATION_RESULT
from mlobs.semconv.metrics import EVALUATION_SCORE
from mlobs.semconv.rows import Attribute
from mlobs.server.derived import PARTS, RESULTS, SCORE, span_value

VIEW = "judgements_view"
# Labels, and where a score has them.
LABELS: dict[Attribute, str] = {
    a.EVALUATION_NAME: "toString(Name)",
    a.EVALUATION_LABEL: "toString(Label)",
    a.REQUEST_MODEL: f"Attributes['{a.REQUEST_MODEL.name}']",
}
_NONE = "CAST([], 'Array(UInt64)')"


def judgements_view() -> str:
    """Return the statement that creates the view from scores to totals."""
    labels = ", ".join(f"'{label.label}', {value}" for label, value in LABELS.items())
    bounds = ", ".join(map(str, EVALUATION_SCORE.buckets))
    # Compared as whole numbers, so that a value on a bound is within it.
    ends = ", ".join(str(round(bound * PARTS)) for bound in EVALUATION_SCORE.buckets)
    return f"""CREATE MATERIALIZED VIEW {VIEW} TO metric_totals AS
SELECT
    '{EVALUATION_RESULT.name}' AS Operation, tupleElement(entry, 1) AS Measure, ServiceName, labels AS Labels,
    tupleElement(entry, 2) AS Bounds, now64(9, 'UTC') AS FirstSeen, tupleElement(entry, 3) AS Count,
    tupleElement(entry, 4) AS Whole, tupleElement(entry, 5) AS Part, tupleElement(entry, 6) AS Buckets
FROM (
    SELECT ServiceName, labels,
        arrayJoin([
            ('{SCORE}', CAST([{bounds}], 'Array(Float64)'), countIf(is_number),
                sumIf(intDiv(parts, {PARTS}), is_number), sumIf(parts % {PARTS}, is_number),
                sumForEachStateIf(arrayMap(b -> toUInt64(parts <= b), [{ends}]), is_number)),
            ('{RESULTS}', CAST([], 'Array(Float64)'), count(), count(), toUInt64(0),
                sumForEachStateIf({_NONE}, is_number))
        ]) AS entry
    FROM (
        SELECT ServiceName, CAST(map({labels}), 'Map(LowCardinality(String), String)') AS labels,
            {span_value(EVALUATION_SCORE)} AS value, isNotNull(value) AS is_number,
            assumeNotNull(value) AS parts
        FROM scores
    )
    GROUP BY ServiceName, labels
)
WHERE Count > 0"""
