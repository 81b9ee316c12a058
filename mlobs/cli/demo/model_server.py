"""A small language model on loopback that speaks OpenAI's API, so that the real client can be used.

It knows one job, the flight desk's: asked with tools, it calls them; given their results, it
answers in a sentence, word by word. Its embeddings are hashed words. Tokens are counted as
words; the system prompt is a cache hit from the second request on.

The airport's gate system lives here too. It answers 503 for every fourth flight, which is what
makes the demo's tool fail.
"""

import asyncio
import json
import math
import threading
import time
import zlib
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from mlobs.errors import ServerError

MODEL = "gpt-4o-mini"
EMBEDDING_MODEL = "text-embedding-3-small"
DIMENSIONS = 64
WORD_SECONDS = 0.004
THINK_SECONDS = 0.02
START_S_MAX = 15

_seen_prompts: set[str] = set()


async def chat(request: Request) -> Response:
    """Answer POST /v1/chat/completions."""
    asked = await request.json()
    messages = asked["messages"]
    await asyncio.sleep(THINK_SECONDS)
    if asked.get("tools") and messages[-1]["role"] == "user":
        message = {"role": "assistant", "content": None, "tool_calls": _calls(asked)}
        return JSONResponse(_completion(message, "tool_calls", _usage(messages, words=12)))
    words = _sentence(messages).split(" ")
    if asked.get("stream"):
        return StreamingResponse(_stream(messages, words), media_type="text/event-stream")
    return JSONResponse(
        _completion({"role": "assistant", "content": " ".join(words)}, "stop", _usage(messages, len(words)))
    )


async def embed(request: Request) -> Response:
    """Answer POST /v1/embeddings."""
    asked = await request.json()
    texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
    count = sum(len(text.split()) for text in texts)
    data = [{"object": "embedding", "index": i, "embedding": _vector(text)} for i, text in enumerate(texts)]
    usage = {"prompt_tokens": count, "total_tokens": count}
    return JSONResponse({"object": "list", "model": EMBEDDING_MODEL, "data": data, "usage": usage})


async def gate(request: Request) -> Response:
    """Answer GET /gates/{flight}: the airport's own system, out of order for every fourth flight."""
    flight = int(request.path_params["flight"])
    if flight % 4 == 3:
        return JSONResponse({"error": "the gate system is being restarted"}, status_code=503)
    return JSONResponse({"gate": f"B{flight % 40 + 1}"})


class ModelServer:
    """The server, on a free port, in a thread of its own."""

    def __init__(self) -> None:
        routes = [
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/embeddings", embed, methods=["POST"]),
            Route("/gates/{flight:int}", gate),
        ]
        config = uvicorn.Config(Starlette(routes=routes), host="127.0.0.1", port=0, log_level="warning")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="demo-model", daemon=True)

    def start(self) -> str:
        """Start, and return the address.

        Raises:
            ServerError: It does not start.
        """
        self._thread.start()
        until = time.monotonic() + START_S_MAX
        while not self._server.started:
            if time.monotonic() > until or not self._thread.is_alive():
                raise ServerError(
                    f"The demo's model server did not listen on loopback within {START_S_MAX} s. "
                    f"Is the machine very busy? Run: mlobs demo"
                )
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        """Stop, and wait for it."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(5)


async def _stream(messages: list[dict[str, Any]], words: list[str]) -> AsyncIterator[str]:
    for position, word in enumerate(words):
        await asyncio.sleep(WORD_SECONDS)
        delta = {"content": word if position == 0 else f" {word}"}
        yield _event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield _event({"choices": [], "usage": _usage(messages, len(words))})
    yield "data: [DONE]\n\n"


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps({**_head('chat.completion.chunk'), **body})}\n\n"


def _completion(message: dict[str, Any], reason: str, usage: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return {**_head("chat.completion"), "choices": [choice], "usage": usage}


def _head(kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{time.time_ns():x}", "object": kind, "created": int(time.time()), "model": MODEL}


def _usage(messages: list[dict[str, Any]], words: int) -> dict[str, Any]:
    counts = [len(str(message.get("content") or "").split()) for message in messages]
    system = str(messages[0].get("content"))
    cached = counts[0] if system in _seen_prompts else 0
    _seen_prompts.add(system)
    return {
        "prompt_tokens": sum(counts),
        "completion_tokens": words,
        "total_tokens": sum(counts) + words,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def _calls(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Call each tool that is offered, with the flight the question names."""
    question = asked["messages"][-1]["content"]
    flight = next((word for word in question.replace("?", " ").split() if word.isdecimal()), "0")
    arguments = json.dumps({"flight": int(flight)})
    return [
        {
            "id": f"call_{i}",
            "type": "function",
            "function": {"name": tool["function"]["name"], "arguments": arguments},
        }
        for i, tool in enumerate(asked["tools"])
    ]


def _sentence(messages: list[dict[str, Any]]) -> str:
    facts = "; ".join(str(message["content"]) for message in messages if message["role"] == "tool")
    return f"From what the desk knows: {facts}. Please keep an eye on the board, and have a good flight."


def _vector(text: str) -> list[float]:
    vector = [0.0] * DIMENSIONS
    for word in text.lower().split():
        vector[zlib.crc32(word.strip(".,?!").encode()) % DIMENSIONS] += 1.0
    length = math.sqrt(sum(x * x for x in vector)) or 1.0
    return [x / length for x in vector]
