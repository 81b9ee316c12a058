-- Exponential histograms of a staged segment.
INSERT INTO otel_metrics_exponential_histogram (
    point_columns(), Count, Sum, Min, Max, Scale, ZeroCount, ZeroThreshold, PositiveOffset, PositiveBucketCounts,
    NegativeOffset, NegativeBucketCounts, AggregationTemporality
)
SELECT
    point_values(), p.count, p.sum, p.min, p.max, p.scale, p.zero_count, p.zero_threshold, p.positive.offset,
    p.positive.counts, p.negative.offset, p.negative.counts, temporality
FROM points(exponential, temporality)
