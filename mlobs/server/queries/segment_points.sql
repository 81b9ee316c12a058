-- How many points of each kind a segment of metrics holds. Loading none into a table costs as much
-- planning as loading some.
SELECT
    sum(length(arrayFlatten(resources.scopes.items.gauge.points.time))) AS otel_metrics_gauge,
    sum(length(arrayFlatten(resources.scopes.items.sum.points.time))) AS otel_metrics_sum,
    sum(length(arrayFlatten(resources.scopes.items.histogram.points.time))) AS otel_metrics_histogram
FROM file({path:String}, 'Protobuf', {structure:String})
