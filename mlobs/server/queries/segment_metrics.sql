-- How many points of each kind a staged segment of metrics holds. Loading none into a table costs as
-- much planning as loading some.
SELECT
    sum(length(arrayFlatten(resources.scopes.items.gauge.points.time))) AS otel_metrics_gauge,
    sum(length(arrayFlatten(resources.scopes.items.sum.points.time))) AS otel_metrics_sum,
    sum(length(arrayFlatten(resources.scopes.items.histogram.points.time))) AS otel_metrics_histogram,
    sum(length(arrayFlatten(resources.scopes.items.exponential.points.time))) AS otel_metrics_exponential_histogram,
    sum(length(arrayFlatten(resources.scopes.items.summary.points.time))) AS otel_metrics_summary
FROM stage
