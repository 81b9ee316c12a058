-- Number points without a sum of a journal segment.
INSERT INTO otel_metrics_gauge (
    ResourceAttributes, ResourceSchemaUrl, ScopeName, ScopeVersion, ScopeAttributes, ScopeDroppedAttrCount,
    ScopeSchemaUrl, ServiceName, MetricName, MetricDescription, MetricUnit, Attributes, StartTimeUnix, TimeUnix,
    Flags, Exemplars.FilteredAttributes, Exemplars.TimeUnix, Exemplars.Value, Exemplars.SpanId, Exemplars.TraceId,
    Value
)
SELECT
    resource_attributes,
    resource_schema,
    scope_name,
    scope_version,
    scope_attributes,
    scope_dropped,
    scope_schema,
    resource_attributes['service.name'],
    name,
    description,
    unit,
    attributes(p.attributes),
    fromUnixTimestamp64Nano(toInt64(least(p.start, 9223372036854775807)), 'UTC'),
    fromUnixTimestamp64Nano(toInt64(least(p.time, 9223372036854775807)), 'UTC'),
    p.flags,
    arrayMap(e -> attributes(e.attributes), p.exemplars),
    arrayMap(e -> fromUnixTimestamp64Nano(toInt64(least(e.time, 9223372036854775807)), 'UTC'), p.exemplars),
    arrayMap(e -> if(e.number = 6, toFloat64(e.whole), e.real), p.exemplars),
    arrayMap(e -> lower(hex(e.span_id)), p.exemplars),
    arrayMap(e -> lower(hex(e.trace_id)), p.exemplars),
    if(p.number = 6, toFloat64(p.whole), p.real)
FROM (
    SELECT
        resource_attributes, resource_schema, scope_name, scope_version, scope_attributes, scope_dropped, scope_schema,
        m.name AS name, m.description AS description, m.unit AS unit,
        arrayJoin(m.gauge.points) AS p
    FROM (
        SELECT
            resource_attributes, resource_schema, attributes(scope.scope.attributes) AS scope_attributes,
            scope.scope.name AS scope_name, scope.scope.version AS scope_version, scope.scope.dropped AS scope_dropped,
            scope.schema_url AS scope_schema, arrayJoin(scope.items) AS m
        FROM (
            SELECT attributes(r.resource.attributes) AS resource_attributes, r.schema_url AS resource_schema, arrayJoin(r.scopes) AS scope
            FROM (SELECT arrayJoin(resources) AS r FROM file({path:String}, 'Protobuf', {structure:String}))
        )
    )
)
