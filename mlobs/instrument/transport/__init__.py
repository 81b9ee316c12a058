"""How encoded requests reach an endpoint: OTLP over HTTP or gRPC, and a folder for while it is away."""
