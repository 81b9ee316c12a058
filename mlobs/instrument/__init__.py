"""Turns calls of decorated functions into spans.

A decorated call makes one small record, `calls.Call`, and appends it to a bounded queue; everything
else (attributes, usage, cost, content, protobuf, HTTP) is done by the export thread.

    decorator -> Site        once, when decorating: all that is static            nouns, sites, shells
    call      -> Call        on the caller's thread: ids, two clock reads         calls, recorders, outbox
    Call      -> attributes  on the export thread, or at the end of the call
                             with a provider of the program                       describe, billing, content/
    Call[]    -> OTLP bytes  on the export thread                                 encode, export, transport/

Around it: what a program says about its calls (annotate, notes, sessions), what travels between
programs (propagation, baggage, carrying, middleware/), other people's instrumentations (activation,
libraries, natives, suppression, absorption), and how it all begins and ends (init, provider).

Where the process has a TracerProvider of its own, decorated calls become ordinary spans of that
provider (`recorders.TracerRecorder`) and nothing of ours exports spans.

Why a record of our own and not the SDK's span: the SDK's costs its caller 20 times as much, and
the export thread 60 times. The record is published in the OpenTelemetry context, so spans of other
instrumentations nest under it, and it nests under theirs.

Why no context tokens: a token can only be used in the context that made it, and streams are
read in other tasks and threads. `context.restore` sets the previous context instead; it cannot
fail, and it also heals what a nested instrumentation forgot to detach.

Why content is copied on the caller's thread and rendered on another: what was passed may change
right after the call, but nobody needs it as JSON before it is sent.
"""
