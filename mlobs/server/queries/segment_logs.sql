-- How many records a staged segment of logs holds.
SELECT sum(length(arrayFlatten(resources.scopes.items.time))) AS otel_logs FROM stage
