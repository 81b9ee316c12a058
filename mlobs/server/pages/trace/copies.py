"""A trace to take along: as a command, as a test, as a row of a dataset."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from mlobs.semconv import attributes as a
from mlobs.semconv.spans import BY_NOUN
from mlobs.server.pages.documents import document
from mlobs.server.pages.trace.fold import Folded
from mlobs.server.pages.trace.messages import content_keys
from mlobs.server.tree import Node

CALLS_MAX = 40
MARKS = {"error": "!", "abandoned": "^", "cancelled": "%"}


def curl(trace_id: str, *, token: bool) -> str:
    """Return the command that gets a trace; the script puts the server's address in.

    >>> curl("4bf9", token=False)
    "curl -s '{origin}/api/traces/4bf9'"
    """
    header = ' -H "Authorization: Bearer $MLOBS_TOKEN"' if token else ""
    return f"curl -s{header} '{{origin}}/api/traces/{trace_id}'"


def pattern(folded: Folded) -> str:
    """Return what `run.expect` would find in a trace, in the language of `mlobs.testing.pattern`.

    Calls that are no nouns of ours are left out, with what is below them in their place.
    """
    roots: list[Any] = []
    calls = 0
    above: list[tuple[int, list[Any]]] = [(-1, roots)]
    for depth, node in folded.nodes:
        if node.span["noun"] not in BY_NOUN:
            continue
        while above[-1][0] >= depth:
            above.pop()
        if calls >= CALLS_MAX:
            if above[-1][1][-1:] != ["..."]:
                above[-1][1].append("...")
            continue
        calls += 1
        below: list[Any] = []
        above[-1][1].append((_call(node), below))
        above.append((depth, below))
    return _written(roots)


def case(trace_id: str, folded: Folded, given: str) -> str:
    """Return a test that runs the same and expects the same tree.

    Args:
        trace_id: Where it comes from.
        folded: The trace.
        given: What the run was given, as JSON; empty if that is not known.
    """
    expected = pattern(folded).replace("\\", "\\\\").replace('"', '\\"')
    return f'''import json

import mlobs


def test_as_in_trace_{trace_id[:8]}():
    given = json.loads({given or "null"!r})
    with mlobs.capture() as run:
        ...  # call your program with `given`
    run.expect(
        "{expected}"
    )
'''


def dataset_row(
    trace_id: str, root: Mapping[str, Any] | None, content: Sequence[tuple[str, str, int]]
) -> str:
    """Return a trace as a line of JSON: what it was given, what it gave, and where it comes from."""
    texts = {key: text for key, text, _ in content}
    row = {
        "input": _value(_first(texts, (a.INPUT, a.INPUT_MESSAGES, a.TOOL_ARGUMENTS))),
        "output": _value(_first(texts, (a.OUTPUT, a.OUTPUT_MESSAGES, a.TOOL_RESULT))),
        "trace_id": trace_id,
        "name": "" if root is None else root["name"],
    }
    return orjson.dumps(row).decode()


def given(content: Sequence[tuple[str, str, int]]) -> str:
    """Return what a call was given as JSON; empty if it is not known or no JSON."""
    text = _first({key: text for key, text, _ in content}, (a.INPUT, a.INPUT_MESSAGES, a.TOOL_ARGUMENTS))
    value = _value(text)
    return "" if value is None else orjson.dumps(value).decode()


def _call(node: Node) -> str:
    span = node.span
    name = (
        span["given_name"]
        or span["agent"] * (span["noun"] == "agent")
        or span["tool"] * (span["noun"] == "tool")
    )
    state = "error" if span["failed"] else span["state"]
    # A space or a bracket would be read as the language's own; ? stands for any character.
    safe = "".join("?" if one.isspace() or one in ">[]{},!~^%:" else one for one in name)
    return f"{span['noun']}{f':{safe}' if safe else ''}{MARKS.get(state, '')}"


def _written(calls: Sequence[Any]) -> str:
    texts: list[tuple[str, int]] = []
    for one in calls:
        text = one if isinstance(one, str) else one[0] + (f" > {_written(one[1])}" if one[1] else "")
        alone = not isinstance(one, str) and not one[1]
        if texts and alone and texts[-1][0] == text:
            texts[-1] = (text, texts[-1][1] + 1)
        else:
            texts.append((text, 1))
    return "[" + ", ".join(f"{text} x{times}" if times > 1 else text for text, times in texts) + "]"


def _first(texts: Mapping[str, str], rows: Sequence[Any]) -> str | None:
    return next((texts[key] for row in rows for key in content_keys(row) if key in texts), None)


def _value(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return document(text)
    except ValueError:
        return text
