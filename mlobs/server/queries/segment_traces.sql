-- How many spans a staged segment holds, and whether some have no ids.
SELECT
    sum(length(arrayFlatten(resources.scopes.items.span_id))) AS otel_traces,
    max(
        has(arrayFlatten(resources.scopes.items.span_id), '') OR has(arrayFlatten(resources.scopes.items.trace_id), '')
    ) AS unnamed
FROM stage
