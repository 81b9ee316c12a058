-- What a list of traces shows beside the sums of trace_list.sql: who took part, and how each begins. The
-- text is that of the first span which has one, the root before others.
SELECT
    TraceId AS trace_id,
    arraySort(groupUniqArrayIf(3)(model, model != '')) AS models,
    arraySort(groupUniqArrayIf(3)(toString(AgentName), AgentName != '')) AS agents,
    anyIf(SessionId, SessionId != '') AS session,
    anyIf(ConversationId, ConversationId != '') AS conversation,
    anyIf(UserId, UserId != '') AS user,
    -- Messages without a person's come last: those of a root may be instructions alone.
    argMinIf(text, (position(text, '"role"') > 0 AND position(text, '"user"') = 0, ParentSpanId != '', Timestamp), text != '') AS beginning
FROM (
    SELECT
        TraceId, AgentName, SessionId, ConversationId, UserId, ParentSpanId, Timestamp,
        multiIf(ResponseModel != '', toString(ResponseModel), RequestModel != '', toString(RequestModel), toString(ModelName)) AS model,
        substringUTF8(Content[arrayFirst(key -> mapContains(Content, key), splitByChar(',', {keys:String}))], 1, {characters:UInt32}) AS text
    FROM otel_traces
    WHERE TraceId IN (JSONExtract({ids:String}, 'Array(String)'))
        AND Timestamp >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC')
        AND Timestamp <= fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
)
GROUP BY TraceId
