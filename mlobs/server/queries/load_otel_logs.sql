-- Log records of a staged segment.
INSERT INTO otel_logs (
    Timestamp, TraceId, SpanId, TraceFlags, SeverityText, SeverityNumber, ServiceName, Body,
    ResourceSchemaUrl, ResourceAttributes, ScopeSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes,
    LogAttributes, EventName, ClockKnown
)
SELECT
    moment(happened),
    lower(hex(l.trace_id)),
    lower(hex(l.span_id)),
    toUInt8(bitAnd(l.flags, 255)),
    l.severity_text,
    toUInt8(greatest(least(l.severity_number, 255), 0)),
    resource_attributes['service.name'],
    text(l.body),
    resource_schema,
    resource_attributes,
    scope.schema_url,
    scope.scope.name,
    scope.scope.version,
    scope_attributes,
    attributes(l.attributes),
    l.event_name,
    known(happened)
FROM (
    SELECT
        resource_attributes, resource_schema, scope, attributes(scope.scope.attributes) AS scope_attributes,
        arrayJoin(scope.items) AS l, if(l.time = 0, l.observed, l.time) AS happened
    FROM (
        SELECT attributes(r.resource.attributes) AS resource_attributes, r.schema_url AS resource_schema, arrayJoin(r.scopes) AS scope
        FROM (SELECT arrayJoin(resources) AS r FROM stage)
    )
)
