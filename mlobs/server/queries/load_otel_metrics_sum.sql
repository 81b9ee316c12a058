-- Sums of a staged segment.
INSERT INTO otel_metrics_sum (point_columns(), Value, AggregationTemporality, IsMonotonic)
SELECT point_values(), if(p.number = 6, toFloat64(p.whole), p.real), temporality, monotonic
FROM points(sum, temporality, monotonic)
