"""What is put between a program and those it serves or calls: one file for each kind of traffic.

ASGI, WSGI and Celery stand on the OpenTelemetry instrumentation of their kind, which makes the span,
and add what that lacks. gRPC, Kafka and MCP make their spans themselves (`crossing`); each says why.
None is imported before it is asked for.
"""
