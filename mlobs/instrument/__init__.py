"""Turns calls of decorated functions into spans.

A decorated call makes one small record, `calls.Call`, and appends it to a queue; everything
else (attributes, cost, protobuf, HTTP) is done by the export thread.

    decorator -> Site        once, when decorating: all that is static
    call      -> Call        on the caller's thread: ids, two clock reads
    Call      -> attributes  on the export thread, or at the end of the call with a foreign provider
    Call[]    -> OTLP bytes  on the export thread

Where the process has a TracerProvider of its own, decorated calls become ordinary spans of that
provider (`recorders.TracerRecorder`) and nothing of ours exports spans.

Why a record of our own and not the SDK's span: the SDK's costs 55 to 65 microseconds on the
caller's thread and 100 more on the export thread; the record costs a twentieth. It is
published in the OpenTelemetry context, so spans of other instrumentations nest under it, and it
nests under theirs.

Why no context tokens: a token can only be used in the context that made it, and streams are
read in other tasks and threads. `context.restore` sets the previous context instead; it cannot
fail, and it also heals what a nested instrumentation forgot to detach.
"""
