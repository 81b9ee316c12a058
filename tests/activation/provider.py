"""A server that speaks the APIs of OpenAI, Anthropic and Google, for their real clients.

It answers the same to everybody: where tools are offered and none has answered yet, a call of the
first one; else a sentence. Every answer says how many tokens it cost.

    python -m tests.activation.provider      prints its address and serves until stdin closes
"""

import http.server
import itertools
import json
import sys
import threading
from collections.abc import Iterator
from typing import Any

ANSWER = "It is sunny. ANSWER-SECRET"
ARGUMENTS = {"city": "TOOL-SECRET"}
MODEL = "served-model-1"
INPUT, CACHED, OUTPUT, REASONING = 20, 4, 7, 2

_number = itertools.count(1)  # every answer has an id of its own

_CHAT_USAGE = {
    "prompt_tokens": INPUT,
    "completion_tokens": OUTPUT,
    "total_tokens": INPUT + OUTPUT,
    "prompt_tokens_details": {"cached_tokens": CACHED},
    "completion_tokens_details": {"reasoning_tokens": REASONING},
}
_RESPONSES_USAGE = {
    "input_tokens": INPUT,
    "input_tokens_details": {"cached_tokens": CACHED},
    "output_tokens": OUTPUT,
    "output_tokens_details": {"reasoning_tokens": REASONING},
    "total_tokens": INPUT + OUTPUT,
}
_ANTHROPIC_USAGE = {
    "input_tokens": INPUT - CACHED,
    "cache_read_input_tokens": CACHED,
    "cache_creation_input_tokens": 0,
    "output_tokens": OUTPUT,
}
_GOOGLE_USAGE = {
    "promptTokenCount": INPUT,
    "cachedContentTokenCount": CACHED,
    "candidatesTokenCount": OUTPUT - REASONING,
    "thoughtsTokenCount": REASONING,
    "totalTokenCount": INPUT + OUTPUT,
}


def _chat(asked: dict[str, Any]) -> Any:
    wants_tool = asked.get("tools") and asked["messages"][-1]["role"] != "tool"
    base = {"id": f"chatcmpl-{next(_number)}", "created": 1_700_000_000, "model": MODEL}
    call = {
        "id": "call_1",
        "type": "function",
        "function": {
            "name": asked["tools"][0]["function"]["name"] if asked.get("tools") else "",
            "arguments": json.dumps(ARGUMENTS),
        },
    }
    message = (
        {"role": "assistant", "content": None, "tool_calls": [call]}
        if wants_tool
        else {"role": "assistant", "content": ANSWER}
    )
    reason = "tool_calls" if wants_tool else "stop"
    if not asked.get("stream"):
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return {**base, "object": "chat.completion", "choices": [choice], "usage": _CHAT_USAGE}
    words = [{"role": "assistant", "content": ""}, *({"content": word + " "} for word in ANSWER.split())]
    deltas = [{"role": "assistant", "tool_calls": [{"index": 0, **call}]}] if wants_tool else words
    chunk = {**base, "object": "chat.completion.chunk"}

    def events() -> Iterator[Any]:
        for delta in deltas:
            yield {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
        if (asked.get("stream_options") or {}).get("include_usage"):
            yield {**chunk, "choices": [], "usage": _CHAT_USAGE}
        yield "[DONE]"

    return ((None, event) for event in events())


def _responses(asked: dict[str, Any]) -> Any:
    inputs = asked["input"] if isinstance(asked["input"], list) else []
    answered = any(isinstance(one, dict) and one.get("type") == "function_call_output" for one in inputs)
    if asked.get("tools") and not answered:
        output: dict[str, Any] = {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": asked["tools"][0]["name"],
            "arguments": json.dumps(ARGUMENTS),
            "status": "completed",
        }
    else:
        output = {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": ANSWER, "annotations": []}],
        }
    response = {
        "id": f"resp_{next(_number)}",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "model": MODEL,
        "output": [output],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": _RESPONSES_USAGE,
    }
    if not asked.get("stream"):
        return response
    started = {**response, "status": "in_progress", "output": [], "usage": None}
    begun = {**output, "status": "in_progress"}
    where = {"item_id": output["id"], "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": started},
        {"type": "response.output_item.added", "output_index": 0, "item": begun},
    ]
    if output["type"] == "message":
        events.append({"type": "response.output_text.delta", **where, "delta": ANSWER, "logprobs": []})
        events.append({"type": "response.output_text.done", **where, "text": ANSWER, "logprobs": []})
    events.append({"type": "response.output_item.done", "output_index": 0, "item": output})
    events.append({"type": "response.completed", "response": response})
    return ((event["type"], {**event, "sequence_number": number}) for number, event in enumerate(events))


def _embeddings(asked: dict[str, Any]) -> Any:
    return {
        "object": "list",
        "model": MODEL,
        "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2, 0.3]}],
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    }


def _messages(asked: dict[str, Any]) -> Any:
    last = asked["messages"][-1]["content"]
    answered = isinstance(last, list) and any(part.get("type") == "tool_result" for part in last)
    wants_tool = asked.get("tools") and not answered
    part: dict[str, Any] = (
        {"type": "tool_use", "id": "toolu_1", "name": asked["tools"][0]["name"], "input": ARGUMENTS}
        if wants_tool
        else {"type": "text", "text": ANSWER}
    )
    reason = "tool_use" if wants_tool else "end_turn"
    message: dict[str, Any] = {"id": f"msg_{next(_number)}", "type": "message", "role": "assistant"}
    message |= {"model": MODEL, "stop_sequence": None}
    if not asked.get("stream"):
        return {**message, "content": [part], "stop_reason": reason, "usage": _ANTHROPIC_USAGE}
    begun = {**message, "content": [], "stop_reason": None, "usage": {**_ANTHROPIC_USAGE, "output_tokens": 1}}
    delta = {"type": "text_delta", "text": ANSWER}
    end = {"stop_reason": reason, "stop_sequence": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": OUTPUT}},
        {"type": "message_stop"},
    ]
    return ((event["type"], event) for event in events)


def _generate(asked: dict[str, Any], *, stream: bool) -> Any:
    def part(text: str, **more: Any) -> dict[str, Any]:
        content = {"role": "model", "parts": [{"text": text}]}
        return {
            "candidates": [{"content": content, "index": 0, **more}],
            "modelVersion": MODEL,
            "responseId": "google-1",
        }

    if not stream:
        return {**part(ANSWER, finishReason="STOP"), "usageMetadata": _GOOGLE_USAGE}
    first, second = ANSWER[:6], ANSWER[6:]
    last = {**part(second, finishReason="STOP"), "usageMetadata": _GOOGLE_USAGE}
    return ((None, event) for event in (part(first), last))


def _answer(path: str, asked: dict[str, Any]) -> Any:
    """Return an object, or pairs of event name and object for a stream."""
    path = path.partition("?")[0].removeprefix("/v1")
    if path.startswith(("beta/models/", "/models/")):
        return _generate(asked, stream="streamGenerateContent" in path)
    known = {
        "/chat/completions": _chat,
        "/responses": _responses,
        "/embeddings": _embeddings,
        "/messages": _messages,
    }
    return known[path](asked)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request after the other on a connection."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        if asked.get("model") == "broken":
            self._send(400, json.dumps({"error": {"message": "no such model", "type": "invalid"}}).encode())
            return
        answer = _answer(self.path, asked)
        if isinstance(answer, dict):
            self._send(200, json.dumps(answer).encode())
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for name, event in answer:
            data = event if isinstance(event, str) else json.dumps(event)
            text = (f"event: {name}\n" if name else "") + f"data: {data}\n\n"
            self.wfile.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())
        self.wfile.write(b"0\r\n\r\n")

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # clients that end abruptly are part of the tests
            self.close_connection = True

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def start() -> str:
    """Start the server on a free port and return its address; it lives as long as the process."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


if __name__ == "__main__":
    print(start(), flush=True)
    sys.stdin.read()
