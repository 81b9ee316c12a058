-- Histograms of a staged segment.
INSERT INTO otel_metrics_histogram (
    point_columns(), Count, Sum, BucketCounts, ExplicitBounds, Min, Max, AggregationTemporality
)
SELECT point_values(), p.count, p.sum, p.bucket_counts, p.bounds, p.min, p.max, temporality
FROM points(histogram, temporality)
