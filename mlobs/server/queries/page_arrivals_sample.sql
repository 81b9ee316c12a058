-- Of the newest spans: who made them in which language, and what they leave out.
SELECT
    ServiceName AS service,
    count() AS spans,
    toUnixTimestamp64Nano(max(Timestamp)) AS last_ns,
    arraySlice(arraySort(groupUniqArrayIf(20)(toString(ScopeName), ScopeName != '')), 1, 3) AS scopes,
    arraySlice(arraySort(groupUniqArray(10)(ResourceAttributes[{language_key:String}])), 1, 3) AS languages,
    countIf(mapContains(ResourceAttributes, {version_key:String})) > 0 AS versioned,
    countIf(SessionId != '' OR ConversationId != '') > 0 AS sessions,
    countIf(notEmpty(Content.keys)) > 0 AS content
FROM (
    SELECT Timestamp, ServiceName, ScopeName, ResourceAttributes, SessionId, ConversationId, Content.keys FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC') AND Timestamp <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
    ORDER BY Timestamp DESC
    LIMIT {sample:UInt32}
)
GROUP BY service
