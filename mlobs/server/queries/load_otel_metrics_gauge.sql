-- Number points without a sum of a staged segment.
INSERT INTO otel_metrics_gauge (point_columns(), Value)
SELECT point_values(), if(p.number = 6, toFloat64(p.whole), p.real)
FROM points(gauge)
