"""Flask, under werkzeug's server."""

import pytest
import requests
from flask import Blueprint, Flask, Response, abort, stream_with_context
from flask import request as asked
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import mlobs
from mlobs.instrument.middleware.wsgi import wsgi
from tests.middleware.servers import PARENT, TRACE, read_a_little, werkzeug_at

SERVER, ERROR = 2, 2


@mlobs.tool
def look_up(key: str) -> str:
    return key


@mlobs.llm(model="m")
def answer(count: int):
    for number in range(count):
        yield f"{asked.path} {number}\n"


def build() -> Flask:
    app, shop = Flask("shop"), Blueprint("orders", "orders", url_prefix="/orders")

    @shop.get("/<int:number>")
    @mlobs.agent
    def order(number: int) -> str:
        return look_up(str(number))

    @app.get("/stream/<int:count>")
    def stream(count: int) -> Response:
        return Response(stream_with_context(answer(count)), mimetype="text/plain")

    @app.get("/fail")
    def fail() -> str:
        raise ValueError("no")

    @app.get("/gone")
    def gone() -> str:
        abort(410)

    app.register_blueprint(shop)
    app.wsgi_app = wsgi(app.wsgi_app, session="x-session", user=lambda environ: "ana")
    return app


@pytest.fixture(scope="module")
def address():
    with werkzeug_at(build()) as found:
        yield found


def server_span(sink, name: str):
    assert mlobs.flush()
    [span] = sink.named(name)
    assert [one.kind for one in sink.spans()].count(SERVER) == 1
    assert span.kind == SERVER
    return span


def test_a_view_is_inside_its_request(sink, address):
    """Named by the rule, and for whom it is asked."""
    got = requests.get(f"{address}/orders/7", headers={**PARENT, "X-Session": "s1"}, timeout=10)
    assert got.text == "7"
    span = server_span(sink, "GET /orders/<int:number>")
    assert (span.trace_id, span.attributes["http.route"]) == (TRACE, "/orders/<int:number>")
    [agent], [tool] = sink.named("invoke_agent order"), sink.named("execute_tool look_up")
    assert (agent.parent_id, tool.parent_id) == (span.span_id, agent.span_id)
    for one in (span, agent, tool):
        assert (one.attributes["session.id"], one.attributes["user.id"]) == ("s1", "ana")


def test_a_stream_is_inside_its_request_to_the_last_byte(sink, address):
    assert requests.get(f"{address}/stream/3", timeout=10).text.count("/stream/3") == 3
    span = server_span(sink, "GET /stream/<int:count>")
    [stream] = sink.named("chat m")
    assert stream.parent_id == span.span_id
    assert span.start_ns <= stream.start_ns <= stream.end_ns <= span.end_ns


def test_a_client_that_hangs_up_is_no_error(sink, address):
    read_a_little(f"{address}/stream/10000000")
    [span] = sink.named("GET /stream/<int:count>", within_s=10)
    assert (span.status, span.attributes["mlobs.call.state"]) == (0, "abandoned")
    assert sink.named("chat m")[0].attributes["mlobs.call.state"] == "abandoned"


def test_failures_are_errors_and_refusals_are_not(sink, address):
    assert requests.get(f"{address}/fail", timeout=10).status_code == 500
    assert server_span(sink, "GET /fail").status == ERROR
    sink.bodies.clear()
    assert requests.get(f"{address}/gone", timeout=10).status_code == 410
    assert server_span(sink, "GET /gone").status == 0
    sink.bodies.clear()
    assert requests.get(f"{address}/nowhere/7", timeout=10).status_code == 404
    assert server_span(sink, "GET").status == 0


def test_a_mounted_app_is_named_with_its_mount(sink):
    with werkzeug_at(DispatcherMiddleware(Flask("none"), {"/shop": build()})) as address:
        requests.get(f"{address}/shop/orders/7", timeout=10)
    assert server_span(sink, "GET /shop/orders/<int:number>").status == 0


def test_beside_another_instrumentation_there_is_one_server_span(sink):
    """Its span is inside, and not a server's."""
    app = build()
    FlaskInstrumentor().instrument_app(app)
    try:
        with werkzeug_at(app) as address:
            requests.get(f"{address}/orders/7", timeout=10)
    finally:
        FlaskInstrumentor().uninstrument_app(app)
    assert mlobs.flush()
    spans = sink.named("GET /orders/<int:number>", count=2)
    assert sorted(span.kind for span in spans) == [1, SERVER]
