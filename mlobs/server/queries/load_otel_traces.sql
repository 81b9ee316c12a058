-- Spans of a staged segment. Long texts and what models read and wrote go beside the other attributes,
-- so that a question about those does not read them.
INSERT INTO otel_traces (
    Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName,
    ResourceAttributes, ScopeName, ScopeVersion, SpanAttributes, Content, Facts, Duration, StatusCode, StatusMessage,
    Events.Timestamp, Events.Name, Events.Attributes,
    Links.TraceId, Links.SpanId, Links.TraceState, Links.Attributes, ClockKnown
)
SELECT
    moment(s.start),
    lower(hex(s.trace_id)),
    lower(hex(s.span_id)),
    lower(hex(s.parent_span_id)),
    s.trace_state,
    SpanName,
    transform(s.kind, [1, 2, 3, 4, 5], ['Internal', 'Server', 'Client', 'Producer', 'Consumer'], 'Unspecified'),
    resource_attributes['service.name'],
    resource_attributes,
    scope_name,
    scope_version,
    picked(SpanAttributes, NOT is_content),
    picked(SpanAttributes, is_content),
    facts(),
    -- At most ten years; a difference is a signed number, and below nought if it is large.
    if(s.end > s.start, least(toUInt64(s.end - s.start), 315576000000000000), 0),
    transform(s.status.code, [1, 2], ['Ok', 'Error'], 'Unset'),
    s.status.message,
    arrayMap(e -> moment(e.time), s.events),
    arrayMap(e -> e.name, s.events),
    arrayMap(e -> attributes(e.attributes), s.events),
    arrayMap(l -> lower(hex(l.trace_id)), s.links),
    arrayMap(l -> lower(hex(l.span_id)), s.links),
    arrayMap(l -> l.trace_state, s.links),
    arrayMap(l -> attributes(l.attributes), s.links),
    known(s.start)
FROM (
    SELECT *, s.name AS SpanName, content(SpanAttributes) AS is_content, dialect() AS Dialect
    FROM (
        SELECT *, attributes(s.attributes) AS SpanAttributes
        FROM (
            SELECT
                resource_attributes, scope.scope.name AS scope_name, scope.scope.version AS scope_version,
                arrayJoin(scope.items) AS s
            FROM (
                SELECT attributes(r.resource.attributes) AS resource_attributes, arrayJoin(r.scopes) AS scope
                FROM (SELECT arrayJoin(resources) AS r FROM stage)
            )
        )
    )
)
