"""An ASGI app with a route for each way a request can go."""

import asyncio

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

import mlobs


@mlobs.tool
def look_up(key: str) -> str:
    return key


@mlobs.llm(model="m")
async def answer(count: int):
    for number in range(count):
        await asyncio.sleep(0.01)
        yield f"{number}\n"


async def item(request: Request) -> JSONResponse:
    return JSONResponse({"got": look_up(request.path_params["id"])})


async def stream(request: Request) -> StreamingResponse:
    return StreamingResponse(answer(request.path_params["count"]))


async def fail(_: Request) -> None:
    raise ValueError("no")


async def fail_later(_: Request) -> StreamingResponse:
    async def pieces():
        yield b"1"
        raise ValueError("later")

    return StreamingResponse(pieces())


async def gone(_: Request) -> None:
    raise HTTPException(410)


async def chat(websocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(look_up(text))


def app(tmp_path=".") -> Starlette:
    return Starlette(
        routes=[
            Route("/items/{id}", item),
            Route("/stream/{count:int}", stream),
            Route("/fail", fail),
            Route("/fail-later", fail_later),
            Route("/gone", gone),
            Route("/healthz", item),
            WebSocketRoute("/chat", chat),
            Mount("/files", StaticFiles(directory=tmp_path)),
            Mount("/{tenant}/api", routes=[Route("/items/{id}", item)]),
        ]
    )
