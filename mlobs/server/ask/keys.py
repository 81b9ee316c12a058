"""What can be asked for: the keys of a filter, each with the columns that hold it.

The same table says what may be grouped by. A key of `attr.` or `resource.` is any attribute of a span or of
its resource.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mlobs.errors import QueryError
from mlobs.semconv.dialects import CONTENT_BEGINNINGS, CONTENT_KEYS, NO_CONTENT
from mlobs.semconv.metrics import INFERENCE_OPERATIONS
from mlobs.semconv.spans import BY_NOUN
from mlobs.server.ask.amounts import UNITS, amount
from mlobs.server.ask.syntax import Term
from mlobs.server.wire import CONTENT, LONG

Kind = Literal["text", "choice", "duration_ns", "duration_s", "tokens", "usd", "number"]
# Long texts are kept with the content, whatever their key.
ATTRIBUTE_MAPS = {"attr": ("SpanAttributes", "Content"), "resource": ("ResourceAttributes",)}
ALWAYS_CONTENT = frozenset((*(row.name for row in CONTENT), *CONTENT_KEYS))
ID_DIGITS = {"trace": 32, "span": 16}
EMBEDDINGS = "embeddings"
CALLS = (*INFERENCE_OPERATIONS, EMBEDDINGS)
ANSWERED = (
    "if(ResponseModel != '', toString(ResponseModel), "
    "if(RequestModel != '', toString(RequestModel), toString(ModelName)))"
)
IS_CALL = f"Operation IN ({', '.join(map(repr, CALLS))})"
IS_ROOT = "ParentSpanId = ''"
CHOICES = {
    "status": {
        "ok": "StatusCode != 'Error'",
        "error": "StatusCode = 'Error'",
        "unset": "StatusCode = 'Unset'",
    },
    "root": {"yes": IS_ROOT, "no": "ParentSpanId != ''"},
    "call": {"yes": IS_CALL, "no": f"NOT {IS_CALL}"},
}
_TOKENS = (
    "if(InputTokens IS NULL AND OutputTokens IS NULL, NULL, ifNull(InputTokens, 0) + ifNull(OutputTokens, 0))"
)


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Attributes:
        name: What is typed.
        kind: What its values are.
        columns: Of otel_traces, or expressions of them; a text key holds when one of them does.
        meaning: For people.
        wide: Whether it is a fact of the whole trace, so that any of its spans may have it.
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    meaning: str
    wide: bool = False


KEYS = (
    Key("service", "text", ("ServiceName",), "the service.name of the program"),
    Key("name", "text", ("SpanName",), "the span's name"),
    Key("kind", "text", ("Kind",), "the decorator's noun: agent, tool, llm, predict ..."),
    Key("operation", "text", ("Operation",), "gen_ai.operation.name: chat, execute_tool ..."),
    Key("status", "choice", ("StatusCode",), "error, ok (no error) or unset"),
    Key("error", "text", ("ErrorType",), "the type of error"),
    Key("message", "text", ("StatusMessage",), "the status message"),
    Key("state", "text", ("CallState",), "cancelled or abandoned"),
    Key("provider", "text", ("Provider",), "who runs the model"),
    Key(
        "model",
        "text",
        ("ResponseModel", "RequestModel", "ModelName"),
        "the model that was asked for or answered",
    ),
    Key(
        "answered",
        "text",
        (ANSWERED,),
        "the one model a call is counted for: that answered, or was asked for",
    ),
    Key("root", "choice", (f"if({IS_ROOT}, 'yes', 'no')",), "yes for the first span of a trace, or no"),
    Key("call", "choice", (f"if({IS_CALL}, 'yes', 'no')",), "yes for a call of a model or embeddings, or no"),
    Key("version", "text", ("ModelVersion",), "what follows the @ of a classical model"),
    Key("agent", "text", ("AgentName",), "the agent's name"),
    Key("tool", "text", ("ToolName",), "the tool's name"),
    Key("session", "text", ("SessionId", "ConversationId"), "the session or conversation", wide=True),
    Key("conversation", "text", ("ConversationId",), "the conversation", wide=True),
    Key("user", "text", ("UserId",), "the user", wide=True),
    Key("trace", "text", ("TraceId",), "the trace's id"),
    Key("span", "text", ("SpanId",), "the span's id"),
    Key("spankind", "text", ("SpanKind",), "Internal, Server, Client, Producer or Consumer"),
    Key("scope", "text", ("ScopeName",), "the instrumentation"),
    Key("duration", "duration_ns", ("Duration",), "how long the span took: 250ms, 5s, 2m, 1h"),
    Key("ttfc", "duration_s", ("TimeToFirstChunk",), "time to the first chunk of a stream"),
    Key("tokens", "tokens", (_TOKENS,), "input and output tokens together: 1000, 10k"),
    Key("input_tokens", "tokens", ("InputTokens",), "input tokens"),
    Key("output_tokens", "tokens", ("OutputTokens",), "output tokens"),
    Key("cached_tokens", "tokens", ("CacheReadTokens",), "input tokens read from a cache"),
    Key("reasoning_tokens", "tokens", ("ReasoningTokens",), "output tokens of reasoning"),
    Key("cost", "usd", ("CostUsd",), "US dollars"),
)
BY_NAME = {key.name: key for key in KEYS} | {"noun": next(key for key in KEYS if key.name == "kind")}


def names() -> list[str]:
    """Return the names of all keys."""
    return [key.name for key in KEYS]


def find(name: str) -> Key | None:
    """Return a key by its name, or one for an attribute; None where there is none."""
    if name.lower() in BY_NAME:
        return BY_NAME[name.lower()]
    prefix, _, rest = name.partition(".")
    return Key(name, "text", (), "an attribute") if prefix in ATTRIBUTE_MAPS and rest else None


def problem(key: Key, term: Term) -> str:
    """Return what is wrong with a term of a key, empty if nothing is."""
    ordered = term.operator not in {":", "!="}
    attribute = not key.columns
    if key.kind == "choice":
        choices = CHOICES[key.name]
        if ordered or term.value.lower() not in choices:
            example = "error" if "error" in choices else "yes"
            return f"{key.name} is one of {', '.join(choices)}, as in {key.name}:{example}."
        return ""
    if key.kind == "text" and not ordered:
        return _text_problem(key, term.value)
    if key.kind == "text" and not attribute:
        return f"{key.name} is text; it is compared with ':' and '!=', and * stands for anything."
    kind: Kind = "number" if attribute else key.kind
    if term.value == "*" and not ordered:
        return ""
    if amount(term.value, kind) is None:
        return f"{term.value[:40]!r} is not {UNITS[kind].wanted}."
    return ""


def _text_problem(key: Key, value: str) -> str:
    """Return what is wrong with the text of a key whose values are known, empty if nothing is."""
    if key.name == "kind":
        return noun_problem(value)
    digits = ID_DIGITS.get(key.name)
    if digits and not re.fullmatch(rf"[0-9a-fA-F*]{{0,{digits}}}", value):
        return (
            f"{value[:40]!r} is no {key.name} id; {digits} hex digits were expected, or the first of them "
            f"and a star, as in {key.name}:4bf92f*."
        )
    return ""


def noun_problem(value: str) -> str:
    """Return what is wrong with a noun, empty if nothing is; one with a star may be any."""
    if not value or "*" in value or value in BY_NOUN:
        return ""
    near = difflib.get_close_matches(value.lower(), list(BY_NOUN), n=1, cutoff=0.7)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"{value[:40]!r} is no kind of call; there are {', '.join(BY_NOUN)}.{hint}"


def grouping(name: str, *, long: bool = False) -> tuple[str, dict[str, str]]:
    """Return the expression to group spans by, and the parameters in it.

    Args:
        name: A key that is text, or an attribute.
        long: As of `attribute`.

    Raises:
        QueryError: Nothing is grouped by that.
    """
    key = find(name)
    if key is None:
        near = difflib.get_close_matches(name.lower(), groupable(), n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise QueryError(
            f"by={name[:60]!r} came; wanted is one of {', '.join(groupable())}, attr.NAME or "
            f"resource.NAME.{hint}"
        )
    if key.kind not in {"text", "choice"}:
        raise QueryError(
            f"by={name[:60]!r} came; {key.name} is an amount, and groups are made of text: "
            f"{', '.join(groupable())}."
        )
    if not key.columns:
        return attribute(key.name, "by_name", long=long)
    return first_of(key.columns), {}


def groupable() -> list[str]:
    """Return what can be grouped by, beside attributes."""
    return [key.name for key in KEYS if key.kind in {"text", "choice"}]


def attribute(name: str, parameter: str, *, long: bool) -> tuple[str, dict[str, str]]:
    """Return the expression of an attribute's text, with its name as a parameter.

    Args:
        name: With its prefix.
        parameter: What the parameter is called.
        long: Whether texts that are kept apart for their length are looked at too, which costs reading
            all the content.
    """
    prefix, _, rest = name.partition(".")
    bound = f"{{{parameter}:String}}"
    short, *content = ATTRIBUTE_MAPS[prefix]
    if content and in_content(rest):
        expression = f"{content[0]}[{bound}]"
    elif content and long:
        expression = f"if(mapContains({short}, {bound}), {short}[{bound}], {content[0]}[{bound}])"
    else:
        expression = f"{short}[{bound}]"
    return expression, {parameter: rest}


def in_content(name: str) -> bool:
    """Return whether an attribute is kept with the content, whatever its length.

    >>> in_content("gen_ai.input.messages"), in_content("http.route")
    (True, False)
    """
    return name in ALWAYS_CONTENT or (name.startswith(CONTENT_BEGINNINGS) and name not in NO_CONTENT)


def may_be_long(pattern: str) -> bool:
    """Return whether a pattern may match a text that is kept apart for its length, or none at all.

    >>> may_be_long("gold"), may_be_long("go*"), may_be_long("")
    (False, True, True)
    """
    return not pattern or "*" in pattern or len(pattern.encode()) > LONG


def first_of(columns: Sequence[str]) -> str:
    """Return the expression of the first of some columns that is not empty."""
    if len(columns) == 1:
        return columns[0]
    # The columns have dictionaries of their own, so what is chosen of them is text.
    rest = first_of(columns[1:]) if len(columns) > 2 else f"toString({columns[1]})"
    return f"if({columns[0]} != '', toString({columns[0]}), {rest})"
