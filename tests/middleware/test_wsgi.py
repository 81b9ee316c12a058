"""Any WSGI app, under real servers, and in a server that does not play by the rules."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware

import mlobs
from mlobs.errors import MissingExtraError, SettingError
from mlobs.instrument.context import current
from mlobs.instrument.middleware.wsgi import wsgi
from tests.examples import examples
from tests.middleware.servers import PARENT, SPAN, TRACE, raw, read_a_little
from tests.processes import free_port

SERVER, ERROR = 2, 2


@mlobs.tool
def look_up(key: str) -> str:
    return key


@mlobs.llm(model="m")
def answer(count: int):
    for number in range(count):
        look_up("in the stream")
        time.sleep(0.001)
        yield b"%d\n" % number


class Rows:
    """A response that says whether it was closed."""

    closed = 0

    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        return iter(self.rows)

    def close(self):
        self.closed += 1


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/fail":
        raise ValueError("no")
    start_response("404 Not Found" if path == "/nowhere" else "200 OK", [("Content-Type", "text/plain")])
    if path.startswith("/stream/"):
        return answer(int(path.rpartition("/")[2]))
    if path == "/fail-later":
        return fail_later()
    return [look_up(path).encode()]


def fail_later():
    yield b"1"
    raise ValueError("later")


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    """One thread handles every request of wsgiref's server: what one leaves behind the next one meets."""
    user = {"user": lambda environ: environ["PATH_INFO"][-1], "exclude": ["/healthz", "/static/*"]}
    server = make_server("127.0.0.1", 0, wsgi(app, session="x-session", **user), handler_class=Quiet)
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def server_span(sink, name: str = "GET", **options):
    assert mlobs.flush()
    [span] = sink.named(name, **options)
    assert span.kind == SERVER
    return span


def environ_of(**given):
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "SERVER_NAME": "a",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        **given,
    }


def test_a_request_is_a_span_and_the_calls_inside_are_its_children(sink, address):
    """Without a framework there is no route, and a path would be a name for each item."""
    assert (
        requests.get(f"{address}/items/7", headers={**PARENT, "X-Session": "s1"}, timeout=10).text
        == "/items/7"
    )
    span = server_span(sink)
    assert (span.trace_id, span.parent_id, span.status) == (TRACE, SPAN, 0)
    assert (span.attributes["session.id"], span.attributes["user.id"]) == ("s1", "7")
    [call] = sink.named("execute_tool look_up")
    assert (call.trace_id, call.parent_id) == (TRACE, span.span_id)
    assert (call.attributes["session.id"], call.attributes["user.id"]) == ("s1", "7")


def test_one_request_leaves_nothing_to_the_next(sink, address):
    for headers in (PARENT | {"X-Session": "s1", "baggage": "mlobs.experiment.tone=warm"}, {}):
        requests.get(f"{address}/items/7", headers=headers, timeout=10)
    assert mlobs.flush()
    first, second = sink.named("execute_tool look_up", count=2)
    assert first.attributes["mlobs.experiment.tone"] == "warm"
    assert not {"session.id", "mlobs.experiment.tone"} & set(second.attributes)
    assert second.trace_id != TRACE


def test_a_stream_is_inside_its_request_to_the_last_byte(sink, address):
    assert (
        requests.get(f"{address}/stream/5", headers={"X-Session": "s1"}, timeout=10).text == "0\n1\n2\n3\n4\n"
    )
    span = server_span(sink)
    [stream] = sink.named("chat m")
    assert stream.parent_id == span.span_id
    assert span.start_ns <= stream.start_ns <= stream.end_ns <= span.end_ns
    assert {call.parent_id for call in sink.named("execute_tool look_up", count=5)} == {stream.span_id}
    assert stream.attributes["session.id"] == "s1"
    assert "mlobs.call.state" not in span.attributes


def test_a_client_that_hangs_up_is_no_error(sink, address):
    read_a_little(f"{address}/stream/100000")
    [span] = sink.named("GET", within_s=10)
    assert (span.status, span.attributes["mlobs.call.state"]) == (0, "abandoned")
    [stream] = sink.named("chat m")
    assert (stream.status, stream.attributes["mlobs.call.state"]) == (0, "abandoned")


def test_failures_are_errors_with_their_exception(sink, address):
    """Before the response and in the middle of it."""
    for path in ("/fail", "/fail-later"):
        sink.bodies.clear()
        with contextlib.suppress(requests.RequestException):
            requests.get(f"{address}{path}", timeout=10)
        span = server_span(sink)
        assert (span.status, span.attributes["error.type"]) == (ERROR, "ValueError")
        assert "ValueError" in {event[1]["exception.type"] for event in span.events}
    sink.bodies.clear()
    assert requests.get(f"{address}/nowhere", timeout=10).status_code == 404
    assert server_span(sink).status == 0


def test_paths_that_are_left_out_have_no_span(sink, address):
    for path in ("/healthz", "/static/a.css"):
        assert requests.get(f"{address}{path}", timeout=10).text == path
    assert mlobs.flush()
    assert {span.name for span in sink.spans()} == {"execute_tool look_up"}


@pytest.mark.parametrize("read", [0, 1])
def test_a_response_that_is_not_read_ends_when_it_is_closed(sink, read):
    """OpenTelemetry's middleware ends no span that was not read, nor closes its response."""
    rows = Rows([b"1", b"2"])
    outer = current()
    response = wsgi(lambda environ, start: start("200 OK", []) or rows)(
        environ_of(**_environ(PARENT)), _start
    )
    assert current() is outer
    assert [next(response) for _ in range(read)] == [b"1"] * read
    assert current() is outer
    response.close()
    response.close()
    assert rows.closed == 1
    assert current() is outer
    span = server_span(sink)
    assert (span.parent_id, span.attributes["mlobs.call.state"]) == (SPAN, "abandoned")


def _environ(headers):
    return {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}


def _start(*_):
    """Take a status and headers."""


def test_a_status_without_words_is_passed_on(sink):
    """OpenTelemetry's middleware raises on it; some apps send it."""
    seen = []
    response = wsgi(lambda environ, start: start("200", []) or [b"x"])(
        environ_of(), lambda *given: seen.append(given)
    )
    assert list(response) == [b"x"]
    assert seen == [("200", [])]
    assert server_span(sink).status == 0


@pytest.mark.parametrize("order", ["theirs inside", "theirs outside", "ours twice"])
def test_two_middlewares_make_one_server_span(sink, order):
    def plain(environ, start):
        start("200 OK", [])
        return [look_up("x").encode()]

    if order == "theirs inside":
        both = wsgi(OpenTelemetryMiddleware(plain), session="x-session")
    elif order == "theirs outside":
        both = OpenTelemetryMiddleware(wsgi(plain, session="x-session"))
    else:
        both = wsgi(wsgi(plain), session="x-session")
    response = both(environ_of(HTTP_X_SESSION="s"), _start)
    assert b"".join(response) == b"x"
    assert mlobs.flush()
    [span] = [span for span in sink.spans() if span.kind == SERVER]
    [call] = sink.named("execute_tool look_up")
    assert span.attributes["session.id"] == call.attributes["session.id"] == "s"
    assert call.trace_id == span.trace_id


def test_what_a_stranger_sends_never_fails_a_request(sink, address):
    for headers in (
        b"traceparent: \xff",
        b"baggage: " + b"session.id=x," * 3000,
        b"\r\n".join([b"X: 1"] * 90),
    ):
        sink.bodies.clear()
        got = raw(address, b"GET /%FF?%FF HTTP/1.0\r\n" + headers + b"\r\n\r\n")
        assert got.startswith(b"HTTP/1.0 200"), got
        assert server_span(sink).parent_id == ""


TEXT = st.text(max_size=12)
KEYS = [
    *("REQUEST_METHOD", "SERVER_PORT", "HTTP_HOST", "RAW_URI", "QUERY_STRING", "REMOTE_PORT", "PATH_INFO"),
    *("SERVER_PROTOCOL", "SCRIPT_NAME", "HTTP_TRACEPARENT", "HTTP_BAGGAGE", "wsgi.url_scheme"),
]


@pytest.mark.usefixtures("telemetry")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(200))
@given(
    st.dictionaries(
        st.sampled_from(KEYS),
        TEXT,
    )
)
def test_no_environ_fails_a_request(environ):
    """A port that is a socket's name, and worse."""
    response = wsgi(lambda environ, start: start("200 OK", []) or [b"x"])(environ_of(**environ), _start)
    assert list(response) == [b"x"]
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_options_that_cannot_be_used_are_one_sentence(monkeypatch):
    with pytest.raises(
        SettingError, match=r"^mlobs\.wsgi\(user=3\.5\) cannot be used: the name of a header was"
    ):
        wsgi(app, user=3.5)
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.wsgi", None)
    with pytest.raises(MissingExtraError, match=r"\[web\]"):
        wsgi(app)


def test_while_off_it_passes_through(run_program):
    done = run_program(
        """
import sys
from mlobs.instrument.middleware.wsgi import wsgi
body, environ = [b"x"], {}
assert wsgi(lambda given, start: body if given is environ else 0)(environ, None) is body
assert environ == {} and "opentelemetry.sdk.trace" not in sys.modules
print("ok")
"""
    )
    assert (done.stdout, done.stderr) == ("ok\n", "")


SERVICE = """
import os, mlobs
from mlobs.instrument.middleware.wsgi import wsgi
mlobs.init("workers", endpoint=os.environ["SINK"])

@mlobs.tool
def work(): return str(os.getpid())

def app(environ, start):
    start("200 OK", [])
    return [work().encode()]

app = wsgi(app)
"""


@pytest.mark.slow
def test_the_workers_of_gunicorn_deliver_each_span_once(sink, tmp_path):
    """With --preload both are forked from a process in which mlobs is on already."""
    (tmp_path / "service.py").write_text(SERVICE)
    port = free_port()
    started = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--preload", "-w", "2", "-b", f"127.0.0.1:{port}", "service:app"],
        cwd=tmp_path,
        env={**os.environ, "SINK": sink.url, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
    )
    try:
        until = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert started.poll() is None
            assert time.monotonic() < until, "nothing listens"
            time.sleep(0.1)
        workers, asked, until = set(), 0, time.monotonic() + 60
        while len(workers) < 2 or asked < 40:
            asked += 1
            assert time.monotonic() < until, "one worker answers everything"
            workers.add(requests.get(f"http://127.0.0.1:{port}/", timeout=60).text)
    finally:
        started.send_signal(signal.SIGTERM)
        _, log = started.communicate(timeout=90)
    spans = sink.named("execute_tool work", count=asked)
    servers = sink.named("GET", count=asked)
    assert len({span.span_id for span in spans}) == len({span.span_id for span in servers}) == asked, log
    assert {span.parent_id for span in spans} == {span.span_id for span in servers}
    assert len({span.resource["service.instance.id"] for span in spans}) == 2
