"""What is typed into the URL of a request is not on its span, whoever makes the span."""

import pytest
import requests
from fastapi import FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

import mlobs
from mlobs.instrument.middleware.asgi import asgi
from mlobs.instrument.middleware.wsgi import wsgi
from tests.middleware.asgi_shop import app as shop
from tests.middleware.servers import uvicorn_at, werkzeug_at

ASKED = "?q=my+card+4111111111111111&mail=bob%40example.com"
TYPED = ("4111", "bob", "my+card", "my card")


def hello(_, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def fastapi():
    app = FastAPI()
    app.get("/items/{key}")(lambda key, q: q)
    app.add_middleware(asgi)
    return app


def instrumented():
    app = fastapi()
    FastAPIInstrumentor.instrument_app(app)
    return app


SERVERS = [
    pytest.param(uvicorn_at, lambda: asgi(shop()), id="asgi"),
    pytest.param(uvicorn_at, fastapi, id="fastapi"),
    pytest.param(uvicorn_at, instrumented, id="its instrumentation"),
    pytest.param(werkzeug_at, lambda: wsgi(hello), id="wsgi"),
]


@pytest.mark.parametrize(("server", "app"), SERVERS)
def test_what_is_typed_into_a_url_is_not_recorded_unless_somebody_asks(sink, server, app):
    with server(app()) as address:
        assert requests.get(f"{address}/items/7{ASKED}", timeout=60).ok
        assert mlobs.flush(60)
    [span] = [span for span in sink.spans() if span.kind == 2]
    assert not [word for word in TYPED if word in repr(sink.spans())]
    assert "q=REDACTED&mail=REDACTED" in repr(span.attributes)


@pytest.mark.parametrize(("server", "app"), SERVERS[1:3])
def test_an_endpoint_gets_what_was_typed(server, app):
    """Spans say less than the request; the program is told all of it."""
    with server(app()) as address:
        assert requests.get(f"{address}/items/7{ASKED}", timeout=60).json() == "my card 4111111111111111"


@pytest.mark.slow
@pytest.mark.parametrize("content", ["off", "full"])
@pytest.mark.parametrize("names", ["", "http"])
def test_the_middlewares_keep_it_from_a_provider_of_the_program_too(run_program, content, names):
    """Its exporters are not ours, and see what the span has."""
    done = run_program(
        """
import requests
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
memory, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(memory))
trace.set_tracer_provider(provider)
from tests.middleware.test_queries import ASKED, SERVERS, asgi, hello, shop, uvicorn_at, werkzeug_at, wsgi
for server, app in ((uvicorn_at, asgi(shop())), (werkzeug_at, wsgi(hello))):
    with server(app) as address:
        requests.get(f"{address}/items/7{ASKED}", timeout=60)
seen = [repr(dict(span.attributes)) for span in memory.get_finished_spans() if span.kind.name == "SERVER"]
assert len(seen) == 2, seen
print([("4111" in one, "q=REDACTED" in one) for one in seen])
""",
        MLOBS_CONTENT=content,
        OTEL_SEMCONV_STABILITY_OPT_IN=names,
    )
    expected = (False, True) if content == "off" else (True, False)
    assert done.stdout == f"{[expected] * 2}\n", done.stderr
