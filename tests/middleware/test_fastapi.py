"""FastAPI, under a real uvicorn: it traces requests by itself, and so do others; one span is enough.

Each test runs with the middleware inside the app, where it joins the span that FastAPI made, and
around it, where it makes the span; some also beside opentelemetry-instrumentation-fastapi.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import pytest
import requests
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from sse_starlette import EventSourceResponse as OtherEventSourceResponse
from websockets.sync.client import connect

import mlobs
from mlobs.instrument.middleware.asgi import asgi
from tests.middleware.servers import PARENT, SPAN, TRACE, read_a_little, uvicorn_at

SERVER, ERROR = 2, 2
OPTIONS = {"session": "x-session", "user": lambda scope: "ana"}
HEADERS = {**PARENT, "X-Session": "s1"}


@mlobs.tool
def look_up(key: str) -> str:
    return key


@mlobs.llm(model="m")
async def answer(count: int) -> AsyncIterator[str]:
    for number in range(count):
        await asyncio.sleep(0.01)
        yield f"{number}\n"


@mlobs.llm(model="s")
def answer_slowly(count: int) -> Iterator[str]:
    for number in range(count):
        look_up("in the stream")
        time.sleep(0.01)
        yield f"{number}\n"


async def connection() -> AsyncIterator[str]:
    look_up("opening")
    yield "open"
    look_up("closing")


def build() -> FastAPI:
    app, router, inner = FastAPI(), APIRouter(), FastAPI()

    @router.get("/items/{key}")
    async def item(key: str, state: Annotated[str, Depends(connection)]) -> str:
        return look_up(key) + state

    @router.get("/sync/{key}")
    @mlobs.agent
    def sync_item(key: str) -> str:
        return look_up(key)

    @app.get("/stream/{count}")
    async def stream(count: int) -> StreamingResponse:
        return StreamingResponse(answer(count))

    @app.get("/slow/{count}")
    def slow(count: int) -> StreamingResponse:
        return StreamingResponse(answer_slowly(count))

    @app.get("/events/{count}", response_class=EventSourceResponse)
    async def events(count: int) -> AsyncIterator[str]:
        async for text in answer(count):
            yield text

    @app.get("/other-events/{count}")
    async def other_events(count: int) -> OtherEventSourceResponse:
        return OtherEventSourceResponse(answer(count))

    @app.get("/later")
    async def later(tasks: BackgroundTasks) -> str:
        tasks.add_task(look_up, "in the background")
        return "soon"

    @app.get("/fail")
    async def fail() -> None:
        raise ValueError("no")

    @app.get("/gone")
    async def gone() -> None:
        raise HTTPException(410)

    @inner.get("/leaf/{x}")
    async def leaf(x: str) -> str:
        return look_up(x)

    @app.websocket("/chat")
    async def chat(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(look_up(await websocket.receive_text()))

    app.include_router(router, prefix="/v1")
    app.mount("/{tenant}/sub", inner)
    return app


def inside():
    app = build()
    app.add_middleware(asgi, **OPTIONS)
    return app


def around():
    return asgi(build(), **OPTIONS)


def beside():
    app = inside()
    FastAPIInstrumentor.instrument_app(app, exclude_spans=["receive", "send"])
    return app


WAYS = [inside, around, pytest.param(beside, marks=pytest.mark.slow)]
STREAMS = ["stream", "slow", "events", pytest.param("other-events", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.__name__)
def address(request):
    with uvicorn_at(request.param()) as found:
        yield found


@pytest.fixture
def ask(sink, address):
    """Ask for a path and return the answer, the one server span of its route, and the spans of mlobs."""

    def asking(path: str, route: str):
        got = requests.get(f"{address}{path}", headers=HEADERS, timeout=60)
        assert mlobs.flush()
        [span] = sink.named(f"GET {route}")
        assert [one.kind for one in sink.spans()].count(SERVER) == 1
        assert span.kind == SERVER
        assert (span.trace_id, span.parent_id) == (TRACE, SPAN)
        assert (span.attributes["session.id"], span.attributes["user.id"]) == ("s1", "ana")
        ours = [one for one in sink.spans() if one.scope == "mlobs"]
        assert {one.trace_id for one in ours} <= {TRACE}
        assert {(one.attributes["session.id"], one.attributes["user.id"]) for one in ours} <= {("s1", "ana")}
        return got, span, ours

    return asking


def above(sink, span) -> set[str]:
    """The names of the spans a span is in."""
    by_id = {one.span_id: one for one in sink.spans()}
    names = set()
    while (span := by_id.get(span.parent_id)) is not None:
        names.add(span.name)
    return names


def test_endpoints_and_dependencies_are_inside_their_request(sink, ask):
    """Coroutines, functions in threads, and what is opened before and closed after."""
    got, span, ours = ask("/v1/items/7", "/v1/items/{key}")
    assert got.json() == "7open"
    assert [one.name for one in ours] == ["execute_tool look_up"] * 3
    assert all("GET /v1/items/{key}" in above(sink, one) for one in ours)
    assert (span.status, span.attributes["http.route"]) == (0, "/v1/items/{key}")
    sink.bodies.clear()
    _, _, ours = ask("/v1/sync/7", "/v1/sync/{key}")
    assert {one.name for one in ours} == {"invoke_agent sync_item", "execute_tool look_up"}
    assert all("GET /v1/sync/{key}" in above(sink, one) for one in ours)


@pytest.mark.parametrize("path", STREAMS)
def test_a_stream_is_inside_its_request_to_the_last_byte(sink, ask, path):
    got, span, ours = ask(f"/{path}/4", f"/{path}/{{count}}")
    assert [digit for digit in got.text if digit.isdigit()] == list("0123")
    [stream] = [one for one in ours if one.name.startswith("chat")]
    assert f"GET /{path}/{{count}}" in above(sink, stream)
    assert span.start_ns <= stream.start_ns <= stream.end_ns <= span.end_ns
    assert stream.attributes["mlobs.stream.chunks"] == 4
    assert all("mlobs.call.state" not in one.attributes for one in (span, stream))


@pytest.mark.parametrize("path", STREAMS)
def test_a_client_that_hangs_up_is_no_error(sink, address, path):
    """FastAPI alone calls it a ConnectionError; whoever closes a tab would raise an alarm."""
    read_a_little(f"{address}/{path}/1000")
    [span] = sink.named(f"GET /{path}/{{count}}")
    assert (span.status, span.attributes["mlobs.call.state"]) == (0, "abandoned")
    assert "error.type" not in span.attributes
    gc.collect()  # closes a stream that a thread was reading
    [stream] = sink.named("chat s" if path == "slow" else "chat m")
    assert stream.status == 0
    assert stream.attributes["mlobs.call.state"] in {"abandoned", "cancelled"}


def test_a_background_task_belongs_to_the_request_that_started_it(sink, ask):
    """Its caller has been answered; the trace has not ended."""
    got, _, _ = ask("/later", "/later")
    assert got.json() == "soon"
    [task] = sink.named("execute_tool look_up")
    assert task.attributes["session.id"] == "s1"
    until = time.monotonic() + 60
    # The other instrumentation may put a span of its own between the two, which ends after the task.
    while "GET /later" not in above(sink, task) and time.monotonic() < until:
        time.sleep(0.02)
    assert "GET /later" in above(sink, task)


def test_failures_are_errors_and_refusals_are_not(sink, ask):
    got, span, _ = ask("/fail", "/fail")
    assert (got.status_code, span.status) == (500, ERROR)
    sink.bodies.clear()
    got, span, _ = ask("/gone", "/gone")
    assert (got.status_code, span.status) == (410, 0)


def test_a_mounted_app_makes_no_second_span(sink, address):
    """It is a FastAPI app with telemetry and all."""
    assert requests.get(f"{address}/acme/sub/leaf/9", headers=HEADERS, timeout=60).json() == "9"
    assert mlobs.flush()
    [span] = [one for one in sink.spans() if one.kind == SERVER]
    assert span.name.startswith("GET /{tenant}/sub")
    [call] = sink.named("execute_tool look_up")
    assert span.name in above(sink, call)
    assert call.attributes["session.id"] == "s1"


def test_calls_in_a_websocket_are_in_its_session(sink, address):
    with connect(f"{address.replace('http', 'ws')}/chat", additional_headers={"X-Session": "s1"}) as socket:
        socket.send("a")
        assert socket.recv() == "a"
    assert mlobs.flush()
    [call] = sink.named("execute_tool look_up")
    assert call.attributes["session.id"] == "s1"


def test_around_an_instrumented_app_there_is_one_server_span(sink):
    """The other's span is inside, and not a server's."""
    app = build()
    FastAPIInstrumentor.instrument_app(app, exclude_spans=["receive", "send"])
    with uvicorn_at(asgi(app, **OPTIONS)) as address:
        requests.get(f"{address}/v1/items/7", headers=HEADERS, timeout=60)
    assert mlobs.flush()
    outer, inner = sorted(sink.named("GET /v1/items/{key}", count=2), key=lambda span: -span.kind)
    assert (outer.kind, inner.kind, inner.parent_id) == (SERVER, 1, outer.span_id)


def test_an_app_that_wants_no_telemetry_of_its_own_gets_ours(sink):
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    app.add_middleware(asgi, exclude=["/quiet"])
    app.get("/quiet")(lambda: 1)
    app.get("/loud/{key}")(look_up)
    with uvicorn_at(app) as address:
        requests.get(f"{address}/quiet", timeout=60)
        requests.get(f"{address}/loud/7", timeout=60)
    assert mlobs.flush()
    assert {span.name for span in sink.spans()} == {"GET /loud/{key}", "execute_tool look_up"}
