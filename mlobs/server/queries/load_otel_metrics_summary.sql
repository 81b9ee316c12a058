-- Summaries of a staged segment.
INSERT INTO otel_metrics_summary (point_columns(), Count, Sum, ValueAtQuantiles.Quantile, ValueAtQuantiles.Value)
SELECT
    point_values(), p.count, p.sum, arrayMap(q -> q.quantile, p.quantiles), arrayMap(q -> q.value, p.quantiles)
FROM points(summary)
