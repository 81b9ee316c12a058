"""Users' SQL over HTTP: run one statement, stop one. Whoever hangs up stops theirs."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mlobs.errors import PayloadError, ServerError
from mlobs.server.ask import asked
from mlobs.server.ask.console import FORMATS, ID, ROWS_MAX, ROWS_MAX_DEFAULT, Console, Query
from mlobs.server.receive.memory import Memory
from mlobs.server.replies import ANSWERS_BYTES_MAX, Counted

BODY_BYTES_MAX = 256 << 10
WATCH_SECONDS = 0.2
FIELDS = ("query", "format", "rows_max", "seconds_max", "id")


async def run_sql(request: Request) -> Response:
    """POST /api/sql: one statement that reads."""
    query = _read(await _body(request), request)
    console = _console(request)
    work = asyncio.ensure_future(run_in_threadpool(console.run, query))
    while not (await asyncio.wait({work}, timeout=WATCH_SECONDS))[0]:
        if await request.is_disconnected():
            await run_in_threadpool(console.cancel, query.id)
    headers = {"Content-Type": FORMATS[query.form][1], "X-Mlobs-Query-Id": query.id}
    body, answers = work.result(), _answers(request)
    if not answers.take(len(body)):
        raise ServerError("Too many answers wait to be read; ask again later.")
    return Counted(body, headers, lambda: answers.give_back(len(body)))


async def cancel_query(request: Request) -> Response:
    """DELETE /api/queries/{query_id}: stop a statement."""
    name = request.path_params["query_id"]
    if not await run_in_threadpool(_console(request).cancel, name):
        return JSONResponse({"error": f"No statement {name[:64]!r} runs.", "status": 404}, 404)
    return JSONResponse({"cancelled": name})


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise PayloadError(f"The body is larger than {BODY_BYTES_MAX:,} bytes; send one statement.")
    return bytes(body)


def _read(body: bytes, request: Request) -> Query:
    """Return the query that a request is: a JSON object, or a statement as text with the rest in the URL."""
    given: dict[str, Any] = dict(request.query_params)
    asked.known(given, FIELDS)
    try:
        text = body.decode()
        if request.headers.get("content-type", "").startswith("application/json"):
            fields = json.loads(text)
            if not isinstance(fields, dict):
                raise PayloadError("The body is no JSON object; an object with the key 'query' was expected.")
            asked.known(fields, FIELDS)
            given |= fields
        else:
            given["query"] = text
    except UnicodeDecodeError:
        raise PayloadError("The body is not UTF-8.") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, PayloadError):
            raise
        raise PayloadError("The body is not JSON; an object with the key 'query' was expected.") from None
    statement, name = given.get("query"), given.get("id") or uuid.uuid4().hex
    if not isinstance(statement, str) or not statement.strip():
        raise PayloadError('No statement came; send {"query": "SELECT ..."}, or the statement as text.')
    if not isinstance(name, str) or not ID.fullmatch(name):
        raise PayloadError(f"id={str(name)[:40]!r} came; up to 64 letters, digits, - and _ were expected.")
    rows_max = asked.whole(
        {"rows_max": str(given.get("rows_max", ROWS_MAX_DEFAULT))}, "rows_max", ROWS_MAX, ROWS_MAX
    )
    return Query(statement, _form(given, request), name, rows_max, _seconds(given))


def _form(given: Mapping[str, Any], request: Request) -> str:
    if given.get("format"):
        return asked.choice({"format": str(given["format"])}, "format", tuple(FORMATS))
    accepted = request.headers.get("accept", "")
    return next((form for form, (_, kind) in FORMATS.items() if kind.partition(";")[0] in accepted), "json")


def _seconds(given: Mapping[str, Any]) -> float:
    text = str(given.get("seconds_max", "inf"))
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not seconds > 0:
        raise PayloadError(f"seconds_max={text[:40]!r} came; a number above 0 was expected.")
    return seconds


def _answers(request: Request) -> Memory:
    """Return what counts the answers that are not read yet, made when it is first needed."""
    state = request.app.state
    if not hasattr(state, "sql_answers"):
        state.sql_answers = Memory(ANSWERS_BYTES_MAX)
    answers: Memory = state.sql_answers
    return answers


def _console(request: Request) -> Console:
    """Return the server's one console, made when it is first needed."""
    state = request.app.state
    if not hasattr(state, "console"):
        state.console = Console(state.store)
    console: Console = state.console
    return console
