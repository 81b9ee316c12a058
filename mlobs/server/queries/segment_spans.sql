-- How many spans of a staged segment are stored already. Those without ids cannot be looked for and count as stored.
WITH
    spans AS (
        SELECT
            arrayJoin(arrayZip(
                arrayFlatten([resources.scopes.items.trace_id]), arrayFlatten([resources.scopes.items.span_id])
            )) AS ids
        FROM stage
    ),
    hexadecimal AS (SELECT lower(hex(tupleElement(ids, 1))) AS trace, lower(hex(tupleElement(ids, 2))) AS span FROM spans)
SELECT
    (SELECT count() FROM hexadecimal WHERE trace = '' OR span = '')
    + (SELECT count() FROM otel_traces WHERE TraceId IN (SELECT trace FROM hexadecimal) AND SpanId IN (SELECT span FROM hexadecimal)) AS found
