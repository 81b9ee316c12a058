-- Spans of {count}, from number {first}: {each} to a trace, over a day that ends at {now_ns}.
INSERT INTO otel_traces (
    Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, ResourceAttributes, ScopeName,
    SpanAttributes, Content, Duration, StatusCode, StatusMessage
)
WITH
    number + {first:UInt64} AS n,
    intDiv(n, {each:UInt64}) AS t,
    n % {each:UInt64} AS place,
    sipHash64(t) AS h,
    ['agent', 'llm', 'tool', 'llm', 'retrieval', 'llm', 'tool', 'llm', 'tool', 'llm'][toUInt8(place % 10) + 1] AS noun,
    concat('model-', toString(h % 7)) AS model,
    sipHash64(n, 2) % 100 < 2 AS failed,
    concat('agent-', toString(h % 12)) AS agent,
    concat('tool-', toString(sipHash64(n) % 30)) AS tool,
    [
        'mlobs.kind', 'gen_ai.operation.name', 'gen_ai.agent.name', 'gen_ai.tool.name', 'gen_ai.provider.name',
        'gen_ai.request.model', 'gen_ai.response.model', 'gen_ai.usage.input_tokens', 'gen_ai.usage.output_tokens',
        'gen_ai.response.time_to_first_chunk', 'mlobs.cost.usd', 'gen_ai.conversation.id', 'user.id',
        'mlobs.tag.tier', 'error.type'
    ] AS keys,
    [
        noun,
        transform(noun, ['agent', 'llm', 'tool'], ['invoke_agent', 'chat', 'execute_tool'], 'retrieval'),
        noun = 'agent' ? agent : '',
        noun = 'tool' ? tool : '',
        noun = 'llm' ? 'openai' : '',
        noun = 'llm' ? model : '',
        noun = 'llm' ? model : '',
        noun = 'llm' ? toString(sipHash64(n) % 4000) : '',
        noun = 'llm' ? toString(sipHash64(n) % 700) : '',
        noun = 'llm' ? toString((sipHash64(n) % 900) / 1000) : '',
        noun = 'llm' ? toString((sipHash64(n) % 9000) / 1000000) : '',
        concat('conversation-', toString(intDiv(t, 8))),
        concat('user-', toString(h % 5000)),
        h % 3 = 0 ? 'gold' : 'free',
        failed ? ['TimeoutError', 'RateLimitError', 'ValueError'][sipHash64(n) % 3 + 1] : ''
    ] AS texts
SELECT
    fromUnixTimestamp64Nano({now_ns:Int64} - toInt64((86400 - (t % {traces:UInt64}) * 86400 / {traces:UInt64}) * 1000000000) + place * {apart_ns:UInt64}, 'UTC'),
    {trace_id:String} != '' ? {trace_id:String} : lower(concat(hex(sipHash64(t, 1)), hex(sipHash64(t, 2)))),
    lower(hex(sipHash64(n, 3))),
    place = 0 ? '' : lower(hex(sipHash64(n - place, 3))),
    multiIf(
        noun = 'agent', concat('invoke_agent ', agent), noun = 'llm', concat('chat ', model),
        noun = 'tool', concat('execute_tool ', tool), 'retrieval notes'
    ),
    'Internal',
    concat('service-', toString(h % 20)),
    map('service.name', concat('service-', toString(h % 20)), 'deployment.environment.name', 'production',
        'host.name', concat('host-', toString(h % 50))),
    'mlobs',
    mapFromArrays(arrayFilter((k, v) -> v != '', keys, texts), arrayFilter(v -> v != '', texts)),
    noun = 'llm' ? map('gen_ai.input.messages', concat(
        '[{"role":"user","parts":[{"type":"text","content":"',
        arrayStringConcat(arrayMap(i -> {words:Array(String)}[sipHash64(n, i) % length({words:Array(String)}) + 1], range(120)), ' '),
        n % 100003 = 3 ? ' Zanzibar' : '', '"}]}]')) : CAST(map(), 'Map(String, String)'),
    toUInt64(exp(15 + (sipHash64(n, 3) % 1000) / 150)) + (place = 0 ? 500000000 : 0),
    failed ? 'Error' : 'Ok',
    failed ? 'it broke' : ''
FROM numbers({count:UInt64})
SETTINGS max_threads = 1, max_block_size = 8192, min_insert_block_size_rows = 65536, max_partitions_per_insert_block = 0
