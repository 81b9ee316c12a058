"""Threads, tasks, processes and frameworks: children find their parents."""

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor

import pytest


def family(api, count):
    """Check that `leaf` was called `count` times by `root`."""
    root = api.one("root")
    assert {(span.parent, span.trace) for span in api.many("leaf", count)} == {(root.id, root.trace)}


def test_in_a_thread_pool(api):
    leaf = api.tool(named_leaf())

    @api.agent
    def root():
        with ThreadPoolExecutor(2) as pool:
            pool.submit(leaf).result()
            list(pool.map(lambda _: leaf(), range(3)))

    root()
    family(api, 4)


def named_leaf():
    def leaf():
        return None

    return leaf


def test_in_to_thread_and_run_in_executor(api):
    leaf = api.tool(named_leaf())

    @api.agent
    async def root():
        await asyncio.to_thread(leaf)
        await asyncio.get_running_loop().run_in_executor(None, leaf)

    asyncio.run(root())
    family(api, 2)


def test_in_tasks_groups_and_timeouts(api):
    @api.tool
    async def leaf():
        await asyncio.sleep(0)

    @api.agent
    async def root():
        await asyncio.gather(leaf(), leaf())
        async with asyncio.TaskGroup() as group:
            group.create_task(leaf())
        await asyncio.wait_for(leaf(), 5)
        async with asyncio.timeout(5):
            await leaf()

    asyncio.run(root())
    family(api, 5)


def test_a_timeout_is_a_cancelled_call(api):
    @api.tool
    async def slow():
        await asyncio.sleep(30)

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slow(), 0.01)

    asyncio.run(main())
    api.ended(api.one("slow"), "cancelled")


def test_calls_after_one_that_failed_are_not_its_children(api):
    @api.tool
    def fail():
        raise ValueError

    @api.tool
    def after():
        return None

    with pytest.raises(ValueError):
        fail()
    after()
    assert api.one("after").parent == ""


def test_a_token_of_another_context_harms_nothing(api):
    variable = contextvars.ContextVar("variable")

    @api.step
    async def odd():
        token = contextvars.copy_context().run(variable.set, 1)
        with pytest.raises(ValueError):
            variable.reset(token)

    asyncio.run(odd())
    assert api.one("odd").state == "ok"


def test_deep_recursion_still_works(api):
    @api.step
    def down(levels):
        return 0 if levels == 0 else 1 + down(levels - 1)

    assert down(200) == 200
    spans = {span.id: span for span in api.many("down", 201)}
    assert sum(span.parent == "" for span in spans.values()) == 1
    assert all(span.parent in spans for span in spans.values() if span.parent)
    for span in spans.values():
        if span.parent:
            assert spans[span.parent].start_ns <= span.start_ns <= span.end_ns <= spans[span.parent].end_ns


def test_recursion_without_end_is_pythons_error(api):
    @api.step
    def forever():
        return forever()

    with pytest.raises(RecursionError):
        forever()


def test_endpoints_and_dependencies_of_fastapi(api):
    fastapi = pytest.importorskip("fastapi", reason="n/a: fastapi is not installed")
    testclient = pytest.importorskip("fastapi.testclient", reason="n/a: httpx is not installed")
    variable = contextvars.ContextVar("variable", default="unset")
    app = fastapi.FastAPI()

    @api.step
    async def dependency(name: str = "x"):
        variable.set(name)
        yield name.upper()

    @app.get("/")
    @api.agent
    async def endpoint(value: str = fastapi.Depends(dependency)):
        return {"value": value, "variable": variable.get()}

    with testclient.TestClient(app) as client:
        assert client.get("/", params={"name": "abc"}).json() == {"value": "ABC", "variable": "abc"}
    assert api.one("endpoint").state == "ok"
    assert api.one("dependency").state == "ok"


def test_a_client_that_hangs_up_leaves_the_stream(api):
    uvicorn = pytest.importorskip("uvicorn", reason="n/a: uvicorn is not installed")
    starlette = pytest.importorskip("starlette.applications", reason="n/a: starlette is not installed")
    import socket
    import threading
    import time

    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    @api.llm
    async def stream():
        for _ in range(1000):
            yield b"x" * 1000
            await asyncio.sleep(0.01)

    async def endpoint(request):
        return StreamingResponse(stream())

    app = starlette.Starlette(routes=[Route("/", endpoint)])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        client.recv(100)
    until = time.monotonic() + 60
    while not api.spans() and time.monotonic() < until:
        time.sleep(0.02)
    server.should_exit = True
    thread.join(60)
    span = api.one("stream")
    assert span.state in {"abandoned", "cancelled", "ok"}
