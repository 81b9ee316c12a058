-- How many spans a staged segment holds.
SELECT sum(length(arrayFlatten(resources.scopes.items.span_id))) AS otel_traces FROM stage
