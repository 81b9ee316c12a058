"""The description of the API, OpenAPI 3.1, made of the rows that the routes are made of."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

Schema = Mapping[str, Any]
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One route.

    Attributes:
        method: GET, POST or DELETE.
        path: As OpenAPI and Starlette both write it.
        handler: Answers.
        summary: One sentence.
        params: Names of PARAMETERS.
        answer: What 200 looks like.
        scope: What a token must be for: read or admin.
        body: What is sent, if anything is.
        forms: Content types of the answer.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    params: Sequence[str] = ()
    answer: Schema | None = None
    scope: str = "read"
    body: Schema | None = None
    forms: Sequence[str] = ("application/json",)


def objects(**kinds: str | Schema) -> Schema:
    """Return the schema of an object by its fields: `"string"`, `"number?"` where null may be, or a schema.

    >>> objects(name="string")["properties"]
    {'name': {'type': 'string'}}
    """
    return {
        "type": "object",
        "properties": {name: _type(kind) if isinstance(kind, str) else kind for name, kind in kinds.items()},
        "required": list(kinds),
    }


def many(item: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": item}


def _type(kind: str) -> Schema:
    name = kind.removesuffix("?")
    return {"type": [name, "null"]} if kind.endswith("?") else {"type": name}


_TEXT, _WHOLE = {"type": "string"}, {"type": "integer", "minimum": 1}
_USAGE: Mapping[str, str] = {"input_tokens": "integer?", "output_tokens": "integer?", "cost_usd": "number?"}
TRACE = objects(
    trace_id="string", name="string", service="string", started="string", duration_ms="number",
    spans="integer", errors="integer", finished="boolean", **_USAGE,
)  # fmt: skip
SPAN = objects(
    span_id="string", parent_span_id="string?", name="string", kind="string", noun="string?",
    operation="string?", error_type="string?", state="string?", status_message="string?", service="string",
    started="string", start_offset_ms="number", duration_ms="number", status="string",
    time_to_first_chunk_s="number?",
    attributes={"type": "object", "additionalProperties": _TEXT},
    events=many(objects(name="string", time="string", attributes="object")), **_USAGE,
)  # fmt: skip
SESSION = objects(
    session_id="string", started="string", ended="string", user="string?", services=many(_TEXT),
    agents=many(_TEXT), traces="integer", spans="integer", errors="integer", **_USAGE,
)  # fmt: skip
_MEASURED = objects(
    time="string", traces="integer", errors="integer", error_ratio="number?", total_ms="number",
    duration_ms="object?", time_to_first_chunk_s="object?", tokens="integer?", **_USAGE,
)  # fmt: skip
_COUNTED = objects(group="object", spans="integer")
GROUP = {**_COUNTED, "properties": {**_COUNTED["properties"], **_MEASURED["properties"]}}
CHANGE = objects(group="object", now="object?", then="object?", change="object")
FAILURE = objects(
    type="string", service="string", name="string", spans="integer", traces="integer", first="string",
    last="string", example_trace_id="string", example_message="string?",
)  # fmt: skip
RUNNING = objects(
    trace_id="string", service="string", first_name="string", last_name="string", started="string",
    last_seen="string", quiet_s="number", spans="integer", errors="integer", **_USAGE,
)  # fmt: skip
ERROR = objects(error="string", status="integer")
SQL = {
    "type": "object",
    "properties": {
        "query": _TEXT,
        "format": {"enum": ["json", "jsonl", "csv", "arrow", "parquet"]},
        "rows_max": _WHOLE,
        "seconds_max": {"type": "number", "exclusiveMinimum": 0},
        "id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    },
    "required": ["query"],
}
PARAMETERS: Mapping[str, tuple[Schema, str]] = {
    "q": (_TEXT, 'A filter, such as service:x status:error duration>5s "text".'),
    "service": (_TEXT, "Traces that a service took part in."),
    "noun": (_TEXT, "Traces with a call of this noun."),
    "status": ({"enum": ["ok", "error"]}, "Traces without, or with, a failed span."),
    "since": (_TEXT, "How long ago the range begins (15m, 24h, 7d), or a time."),
    "since_s": (_WHOLE, "The same in seconds."),
    "from": (_TEXT, "Where the range begins: ISO 8601, or how long ago."),
    "to": (_TEXT, "Where the range ends; now if it is left out."),
    "cursor": (_TEXT, "What the page before gave as next."),
    "limit": (_WHOLE, "Rows at most."),
    "sort": (
        {"enum": ["newest", "slowest", "dearest"]},
        "By the span of each trace that comes first in this order.",
    ),
    "by": (_TEXT, "Up to three keys or attributes to group by, separated by commas."),
    "prices": ({"enum": ["then", "today"]}, "Whether prices are those of each call's day or those of today."),
    "as_model": (
        _TEXT,
        "The model that calls are priced as; embeddings keep their own price, unless it is one for them.",
    ),
    "budget": (_TEXT, "US dollars for the month."),
    "step": (_TEXT, "Length of the steps of time, such as 5m."),
    "measures": (
        _TEXT,
        "What to measure, for fewer is faster: errors, traces, duration, first_chunk, usage.",
    ),
    "order": (_TEXT, "What the largest of comes first."),
    "against_q": (_TEXT, "The filter of the other side; the same if it is left out."),
    "against_since": (_TEXT, "The range of the other side; the one before, as long, if it is left out."),
    "against_from": (_TEXT, "Where the range of the other side begins."),
    "against_to": (_TEXT, "Where the range of the other side ends."),
    "key": (_TEXT, "A key whose values are asked for; without it, the keys are."),
    "beginning": (_TEXT, "What keys or values begin with."),
    "format": (
        {"enum": ["json", "jsonl", "csv", "arrow", "parquet"]},
        "The format; Accept decides if left out.",
    ),
    "rows_max": (_WHOLE, "An answer with more rows is refused."),
    "seconds_max": ({"type": "number"}, "Seconds the statement may take."),
    "id": (_TEXT, "Names the statement, so that it can be cancelled."),
}


def document(
    operations: Sequence[Operation], others: Mapping[str, Mapping[str, str]], version: str
) -> dict[str, Any]:
    """Return the description.

    Args:
        operations: Those described in full.
        others: Summaries of the other routes, by path and method.
        version: Of the release.
    """
    paths: dict[str, dict[str, Any]] = {}
    for path, methods in others.items():
        for method, summary in methods.items():
            answers = {"default": {"description": "See the README."}}
            paths.setdefault(path, {})[method.lower()] = {
                "summary": summary,
                "responses": answers,
                **_in_path(path),
            }
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mlobs",
            "version": version,
            "description": "What the server was sent, and what it says.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {"Error": ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _described(operation: Operation) -> dict[str, Any]:
    refused = {"description": "One sentence.", "content": {"application/json": {"schema": _REFUSAL}}}
    schema: Schema = operation.answer or {}
    content = {form: {"schema": schema} if form == "application/json" else {} for form in operation.forms}
    found: dict[str, Any] = {
        "summary": operation.summary,
        "security": [{"token": [operation.scope]}, {}],
        "responses": {
            "200": {"description": "What was asked for.", "content": content},
            "4XX": refused,
            "503": refused,
        },
    }
    params = [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": PARAMETERS[name][0],
            "description": PARAMETERS[name][1],
        }
        for name in operation.params
    ]
    found |= _in_path(operation.path)
    found["parameters"] = [*found.get("parameters", []), *params]
    if operation.body is not None:
        forms = {"application/json": {"schema": operation.body}, "text/plain": {"schema": _TEXT}}
        found["requestBody"] = {"required": True, "content": forms}
    return found


_REFUSAL = {"$ref": "#/components/schemas/Error"}


def _in_path(path: str) -> dict[str, Any]:
    names = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
    found = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names]
    return {"parameters": found} if found else {}
