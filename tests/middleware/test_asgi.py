"""Any ASGI app, under a real server."""

import asyncio
import contextlib
import json

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from starlette.responses import PlainTextResponse
from websockets.sync.client import connect

import mlobs
from mlobs.errors import SettingError
from mlobs.instrument.middleware.asgi import asgi
from tests.examples import examples
from tests.middleware.asgi_shop import app
from tests.middleware.servers import PARENT, SPAN, TRACE, raw, read_a_little, uvicorn_at

SERVER, ERROR = 2, 2


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "a.txt").write_text("a")
    with uvicorn_at(asgi(app(folder), session="x-session", user=lambda scope: scope["path"][-1])) as found:
        yield found


def server_span(sink, name: str):
    assert mlobs.flush()
    [span] = sink.named(name)
    assert span.kind == SERVER
    return span


def test_a_request_is_a_span_and_the_calls_inside_are_its_children(sink, address):
    """Named by route: a name for each path asked for would be a name for each item."""
    assert requests.get(f"{address}/items/7", headers={**PARENT, "X-Session": "s1"}, timeout=10).json() == {
        "got": "7"
    }
    span = server_span(sink, "GET /items/{id}")
    assert (span.trace_id, span.parent_id, span.status) == (TRACE, SPAN, 0)
    assert span.attributes["http.route"] == "/items/{id}"
    assert (span.attributes["session.id"], span.attributes["user.id"]) == ("s1", "7")
    [call] = sink.named("execute_tool look_up")
    assert (call.trace_id, call.parent_id) == (TRACE, span.span_id)
    assert (call.attributes["session.id"], call.attributes["user.id"]) == ("s1", "7")
    assert len(sink.spans()) == 2  # none for what is received and sent


def test_the_callers_baggage_says_the_session(sink, address):
    """The first program of many opened it."""
    headers = {"baggage": "session.id=s2,mlobs.experiment.tone=warm,mlobs.tag.tier=gold"}
    requests.get(f"{address}/items/7", headers=headers, timeout=10)
    assert server_span(sink, "GET /items/{id}").attributes["session.id"] == "s2"
    [call] = sink.named("execute_tool look_up")
    assert call.attributes["session.id"] == "s2"
    assert call.attributes["user.id"] == "7"
    assert call.attributes["mlobs.experiment.tone"] == "warm"
    assert "mlobs.tag.tier" not in call.attributes  # not allowed to travel


def test_one_request_leaves_nothing_to_the_next(sink, address):
    """Connections are kept alive, and tasks may share a context."""
    with requests.Session() as client:
        client.get(f"{address}/items/1", headers={"X-Session": "s1"}, timeout=10)
        client.get(f"{address}/items/2", timeout=10)
    assert mlobs.flush()
    spans = sink.named("GET /items/{id}", count=2)
    assert [span.attributes.get("session.id") for span in spans] == ["s1", None]
    assert len({span.trace_id for span in spans}) == 2


def test_a_stream_ends_with_its_last_byte(sink, address):
    """A span that ends with the headers says 2 ms of a minute."""
    assert requests.get(f"{address}/stream/5", timeout=10).text == "0\n1\n2\n3\n4\n"
    span = server_span(sink, "GET /stream/{count}")
    [call] = sink.named("chat m")
    assert call.parent_id == span.span_id
    assert span.end_ns >= call.end_ns
    assert call.attributes["mlobs.stream.chunks"] == 5
    assert "mlobs.call.state" not in {**call.attributes, **span.attributes}


def test_a_client_that_hangs_up_is_no_error(sink, address):
    """Whoever closes a tab would else raise an alarm; and a span that never ends is never seen."""
    read_a_little(f"{address}/stream/100000")
    [span] = sink.named("GET /stream/{count}", within_s=10)
    assert (span.status, span.attributes["mlobs.call.state"]) == (0, "abandoned")
    [call] = sink.named("chat m")
    assert (call.status, call.parent_id) == (0, span.span_id)
    assert call.attributes["mlobs.call.state"] in {"abandoned", "cancelled"}


def test_failures_are_errors_with_their_exception(sink, address):
    """Starlette sends its 500 before the exception goes on; both are seen."""
    assert requests.get(f"{address}/fail", timeout=10).status_code == 500
    span = server_span(sink, "GET /fail")
    assert (span.status, span.attributes["error.type"]) == (ERROR, "ValueError")
    assert span.attributes["http.status_code"] == 500
    assert [event[1]["exception.message"] for event in span.events] == ["no"]
    with contextlib.suppress(requests.RequestException):
        requests.get(f"{address}/fail-later", timeout=10)
    span = server_span(sink, "GET /fail-later")
    assert (span.status, span.attributes["error.type"]) == (ERROR, "ValueError")


def test_what_the_client_did_wrong_is_no_error(sink, address):
    assert requests.get(f"{address}/gone", timeout=10).status_code == 410
    span = server_span(sink, "GET /gone")
    assert (span.status, span.attributes["http.status_code"], span.events) == (0, 410, [])
    assert requests.get(f"{address}/nowhere/1/2", timeout=10).status_code == 404
    assert server_span(sink, "GET").status == 0
    assert requests.post(f"{address}/items/1", timeout=10).status_code == 405
    assert server_span(sink, "POST /items/{id}").status == 0
    assert requests.request("PURGE", f"{address}/items/1", timeout=10).status_code == 405
    assert server_span(sink, "HTTP /items/{id}").status == 0


def test_mounted_apps_are_named_by_their_templates(sink, address):
    """A mount's own parameter has as many values as there are tenants."""
    assert requests.get(f"{address}/acme/api/items/acme", timeout=10).ok
    assert server_span(sink, "GET /{tenant}/api/items/{id}").status == 0
    assert requests.get(f"{address}/files/a.txt", timeout=10).text == "a"
    assert server_span(sink, "GET /files/{path}").attributes["http.route"] == "/files/{path}"


def test_paths_that_are_left_out_have_no_span(sink):
    """A probe every second is most of a quiet service's spans."""
    with uvicorn_at(asgi(app(), exclude=("/healthz", "/items/*"))) as address:
        requests.get(f"{address}/healthz", timeout=10)
        requests.get(f"{address}/items/1", timeout=10)
        requests.get(f"{address}/gone", timeout=10)
    assert mlobs.flush()
    assert {span.name for span in sink.spans()} == {"GET /gone", "execute_tool look_up"}


def test_a_websocket_is_a_session_and_no_span(sink, address):
    """It stays open for hours: each question is a trace of its own."""
    with connect(
        f"{address.replace('http', 'ws')}/chat", additional_headers={**PARENT, "X-Session": "s3"}
    ) as socket:
        for text in ("a", "b"):
            socket.send(text)
            assert socket.recv() == text
    assert mlobs.flush()
    calls = sink.named("execute_tool look_up", count=2)
    assert len({call.trace_id for call in calls} | {TRACE}) == 3
    assert {call.attributes["session.id"] for call in calls} == {"s3"}
    assert len(sink.spans()) == 2


def test_a_function_that_fails_leaves_the_request_alone(sink, caplog):
    """It is the user's, but not a reason for a 500."""

    async def late(_):
        return "x"

    with uvicorn_at(asgi(app(), session=lambda scope: scope["nothing"], user=late)) as address:
        assert requests.get(f"{address}/items/1", timeout=10).ok
    span = server_span(sink, "GET /items/{id}")
    assert not {"session.id", "user.id"} & set(span.attributes)


def test_two_of_them_make_one_span(sink):
    """One in the app, one where it is served."""
    inner = app()
    inner.add_middleware(asgi)
    with uvicorn_at(asgi(inner, session="x-session")) as address:
        requests.get(f"{address}/items/1", headers={"X-Session": "s"}, timeout=10)
    assert server_span(sink, "GET /items/{id}").attributes["session.id"] == "s"
    assert len(sink.spans()) == 2


def test_starlettes_own_middleware_gives_way_or_is_joined(sink):
    """Two server spans for one request count it twice."""
    from starlette.middleware.opentelemetry import OpenTelemetryMiddleware

    for both in (
        lambda: asgi(OpenTelemetryMiddleware(app()), session="x-session"),
        lambda: OpenTelemetryMiddleware(asgi(app(), session="x-session")),
    ):
        sink.bodies.clear()
        with uvicorn_at(both()) as address:
            requests.get(f"{address}/items/1", headers={"X-Session": "s"}, timeout=10)
        assert server_span(sink, "GET /items/{id}").attributes["session.id"] == "s"
        [call] = sink.named("execute_tool look_up")
        assert call.attributes["session.id"] == "s"
        assert len(sink.spans()) == 2


HOSTILE = [
    b"Host: \xff\\",
    b"Host: [::1\r\nUser-Agent: \xff\\x",
    b"Host: a\r\ntraceparent: \xff\r\ntraceparent: b",
    b"Host: a\r\nbaggage: " + b"session.id=x," * 4000,
    b"Host: a" + b"\r\nX-Many: 1" * 300,
]


@pytest.mark.parametrize("headers", HOSTILE, ids=range(len(HOSTILE)))
def test_what_a_stranger_sends_never_fails_a_request(sink, address, headers, caplog):
    """OpenTelemetry's middleware alone answers the first two with 500."""
    got = raw(address, b"GET /items/1?%FF HTTP/1.1\r\nConnection: close\r\n" + headers + b"\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200"), got
    assert server_span(sink, "GET /items/{id}").status == 0
    assert not [record for record in caplog.records if record.name == "mlobs"]


BYTES = st.binary(max_size=20)
NAMES = st.sampled_from(
    [b"host", b"user-agent", b"traceparent", b"baggage", b"tracestate", b"content-length"]
)


@pytest.mark.usefixtures("telemetry")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(200))
@given(st.lists(st.tuples(NAMES | BYTES, BYTES), max_size=8), BYTES, st.text(max_size=10))
def test_no_scope_fails_a_request(headers, query, method):
    """What a server lets through is its own business."""
    sent = []

    async def plain(scope, receive, send):
        await PlainTextResponse("x")(scope, receive, send)

    async def send(message):
        sent.append(message["type"])

    scope = {
        "type": "http",
        "method": method,
        "path": "/",
        "query_string": query,
        "headers": headers,
        "server": ("/socket", None),
        "client": None,
    }
    asyncio.run(asgi(plain, session="x")(scope, None, send))
    assert sent == ["http.response.start", "http.response.body"]


def test_a_server_that_cancels_is_no_error(sink):
    """On its end, or when a deadline passed."""

    async def slow(scope, receive, send):
        await asyncio.sleep(60)

    async def run():
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
        task = asyncio.create_task(asgi(slow)(scope, None, None))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert trace.get_current_span() is trace.INVALID_SPAN

    asyncio.run(run())
    span = server_span(sink, "GET")
    assert (span.status, span.attributes["mlobs.call.state"]) == (0, "cancelled")


def test_a_server_that_says_so_by_an_error_is_believed(sink):
    """From version 2.4 of ASGI on, sending to a client that left raises OSError, and the app's is kept."""

    async def run():
        async def send(message):
            if message["type"] == "http.response.body":
                raise BrokenPipeError

        scope = {
            "type": "http",
            "asgi": {"spec_version": "2.4"},
            "method": "GET",
            "path": "/stream/9",
            "query_string": b"",
            "headers": [],
        }
        with pytest.raises(Exception, match=r"^$") as left:
            await asgi(app())(scope, None, send)
        assert type(left.value).__name__ == "ClientDisconnect"

    asyncio.run(run())
    span = server_span(sink, "GET /stream/{count}")
    assert (span.status, span.attributes["mlobs.call.state"], span.events) == (0, "abandoned", [])


def test_options_that_cannot_be_used_are_one_sentence():
    with pytest.raises(
        SettingError, match=r"^mlobs\.asgi\(session=3\) cannot be used: the name of a header was"
    ):
        asgi(app(), session=3)
    with pytest.raises(
        SettingError, match=r"^mlobs\.asgi\(exclude=\['healthz'\]\) .* 'healthz' is no path\."
    ):
        asgi(app(), exclude=["healthz"])


def test_without_the_extra_it_cannot_be_named_at_all(run_program):
    """A framework wraps the app at the first request: an error there would fail every request."""
    done = run_program("""
import sys
sys.modules["opentelemetry.instrumentation.asgi"] = None
import mlobs
from mlobs.errors import MissingExtraError
try:
    mlobs.asgi
except MissingExtraError as error:
    print(error)
""")
    assert done.stdout.startswith(
        "mlobs.asgi needs the 'opentelemetry.instrumentation.asgi' package, which is not installed. "
        "Install it with: pip install "
    )
    assert "[web]" in done.stdout


def test_while_off_it_passes_through(run_program):
    """Not a span, not the SDK, and the app gets the server's own functions."""
    done = run_program(
        """
import asyncio, sys
from mlobs.instrument.middleware.asgi import asgi
seen = []
async def app(*given): seen.append(given)
scope, receive, send = {"type": "http", "headers": []}, object(), object()
asyncio.run(asgi(app, session="x")(scope, receive, send))
assert seen == [(scope, receive, send)] and list(scope) == ["type", "headers"]
assert "opentelemetry.sdk.trace" not in sys.modules
print("ok")
"""
    )
    assert (done.stdout, done.stderr) == ("ok\n", "")


@pytest.mark.slow
def test_with_a_foreign_provider_spans_are_its_own(run_program):
    """Nothing is replaced, and nothing need be switched on."""
    done = run_program(
        """
import requests
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from mlobs.instrument.middleware.asgi import asgi
from tests.middleware.servers import uvicorn_at
from tests.middleware.asgi_shop import app
memory, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(memory))
trace.set_tracer_provider(provider)
with uvicorn_at(asgi(app(), session="x-session")) as address:
    requests.get(f"{address}/items/7", headers={"X-Session": "s1"}, timeout=10)
    requests.get(f"{address}/stream/3", timeout=10)
tool, item, llm, stream = memory.get_finished_spans()
assert tool.parent.span_id == item.context.span_id and llm.parent.span_id == stream.context.span_id
assert (item.name, item.kind.name) == ("GET /items/{id}", "SERVER")
assert item.attributes["session.id"] == tool.attributes["session.id"] == "s1"
assert llm.attributes["mlobs.stream.chunks"] == 3 and llm.end_time <= stream.end_time
print("ok")
"""
    )
    assert (done.stdout, done.stderr) == ("ok\n", "")


@pytest.mark.slow
def test_captured_headers_are_those_asked_for(run_program, sink):
    """OpenTelemetry's variables for its middleware go on working."""
    done = run_program(
        """
import asyncio, os, mlobs
from mlobs.instrument.middleware.asgi import asgi
mlobs.init("s", endpoint=os.environ["SINK"])
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})
headers = [(b"x-kind", b"a"), (b"x", b"b")]
scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}
async def send(message): pass
asyncio.run(asgi(app)(scope, None, send))
""",
        SINK=sink.url,
        OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST="x-kind",
        OTEL_SEMCONV_STABILITY_OPT_IN="http",
    )
    assert done.stderr == ""
    [span] = sink.named("GET")
    assert span.attributes["http.request.header.x_kind"] == ["a"]
    assert span.attributes["http.request.method"] == "GET"
    assert "http.request.header.x" not in json.dumps(span.attributes).replace("x_kind", "")
