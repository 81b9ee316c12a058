"""Django, by WSGI and by ASGI. Its settings are a process's, so each runs in a program of its own."""

import pytest

from tests import sink as sinks

SERVER, ERROR = 2, 2

SITE = r"""
import asyncio, os, sys, threading, time
import mlobs, requests, uvicorn
from django.conf import settings
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.urls import include, path, re_path
from mlobs.instrument.middleware.asgi import asgi
from mlobs.instrument.middleware.wsgi import wsgi
from tests.middleware.servers import PARENT, read_a_little, uvicorn_at, werkzeug_at

mlobs.init("site", endpoint=os.environ["SINK"])
left = threading.Event()  # A stream has ended.

@mlobs.tool
def look_up(key): return str(key)

@mlobs.llm(model="m")
def answer(count):
    try:
        for number in range(count):
            time.sleep(0.001)
            yield f"{number}\n"
    finally:
        left.set()

@mlobs.llm(model="m")
async def answer_async(count):
    try:
        for number in range(count):
            await asyncio.sleep(0.001)
            yield f"{number}\n"
    finally:
        left.set()

def order(request, number): return HttpResponse(look_up(number))
async def order_async(request, number): return HttpResponse(look_up(number))
def gone(request): raise Http404
def fail(request): raise ValueError("no")
def stream(request, count):
    slow = answer_async if "asgi" in sys.argv else answer
    return StreamingHttpResponse(slow(count))

class Routes:
    urlpatterns = [
        path("orders/", include([path("<int:number>/", order), path("async/<int:number>/", order_async)])),
        path("stream/<int:count>/", stream),
        path("gone/", gone),
        path("fail/", fail),
        re_path(r"^old/(?P<number>\d+)$", order),
    ]

settings.configure(
    DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF=Routes, SECRET_KEY="x", MIDDLEWARE=[], LOGGING_CONFIG=None
)
import django, logging
logging.disable(logging.CRITICAL)
django.setup()
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

options = {"session": "x-session", "user": lambda request: "ana"}
if "asgi" in sys.argv:
    at = uvicorn_at(asgi(get_asgi_application(), **options))
else:
    at = werkzeug_at(wsgi(get_wsgi_application(), **options))
with at as address:
    got = []
    for where in ("orders/7/", "orders/async/7/", "old/7", "stream/3/", "gone/", "fail/", "nowhere/1"):
        answered = requests.get(f"{address}/{where}", headers={**PARENT, "X-Session": "s1"}, timeout=60)
        got.append((answered.status_code, answered.text[:6]))
    print(got)
    left.clear()
    read_a_little(f"{address}/stream/10000000/")
    assert left.wait(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["wsgi", "asgi"])
def test_views_are_inside_requests_named_by_their_routes(run_program, way):
    """By both of its handlers; an async view under WSGI and a sync one under ASGI too."""
    sink = sinks.start()
    done = run_program(f"import sys\nsys.argv.append({way!r})\n{SITE}", SINK=sink.url)
    assert done.stderr == ""
    assert done.stdout.startswith("[(200, '7'), (200, '7'), (200, '7'), (200, '0\\n1\\n2\\n'), (404, "), (
        done.stdout
    )
    servers = {
        span.name: span for span in sink.spans() if span.kind == SERVER and "abandoned" not in str(span)
    }
    assert set(servers) == {
        "GET /orders/<int:number>/",
        "GET /orders/async/<int:number>/",
        r"GET /^old/(?P<number>\d+)$",
        "GET /stream/<int:count>/",
        "GET /gone/",
        "GET /fail/",
        "GET",
    }
    assert {name for name, span in servers.items() if span.status == ERROR} == {"GET /fail/"}
    for span in servers.values():
        assert (span.attributes["session.id"], span.attributes["user.id"]) == ("s1", "ana")
    tools = sink.named("execute_tool look_up", count=3)
    assert {tool.attributes["session.id"] for tool in tools} == {"s1"}
    ids = {span.span_id: span for span in sink.spans()}
    assert [ids[tool.parent_id].kind for tool in tools] == [SERVER] * 3
    whole, cut = sorted(sink.named("chat m", count=2), key=lambda span: span.start_ns)
    assert ids[whole.parent_id] == servers["GET /stream/<int:count>/"]
    assert whole.attributes["mlobs.stream.chunks"] == 3
    left = ids[cut.parent_id]
    assert (left.name, left.status) == ("GET /stream/<int:count>/", 0)
    assert left.attributes["mlobs.call.state"] == "abandoned"
    assert cut.attributes["mlobs.call.state"] in {"abandoned", "cancelled"}
