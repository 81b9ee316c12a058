-- How many rows of each signal the tables have.
SELECT 'traces' AS signal, count() AS rows FROM otel_traces
UNION ALL SELECT 'logs', count() FROM otel_logs
UNION ALL SELECT 'metrics', sum(rows) FROM (
    SELECT count() AS rows FROM otel_metrics_gauge
    UNION ALL SELECT count() FROM otel_metrics_sum
    UNION ALL SELECT count() FROM otel_metrics_histogram
    UNION ALL SELECT count() FROM otel_metrics_exponential_histogram
    UNION ALL SELECT count() FROM otel_metrics_summary
)
