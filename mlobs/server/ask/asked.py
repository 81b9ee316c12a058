"""Reads what came with a request: filter, range, page, limits. Every refusal is one sentence."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlobs.errors import PayloadError, QueryError
from mlobs.server.ask.compiling import Condition, condition, of_spans
from mlobs.server.ask.cursors import Cursor, read_cursor
from mlobs.server.ask.keys import noun_problem
from mlobs.server.ask.parsing import parse
from mlobs.server.ask.ranges import Range, read_range
from mlobs.server.ask.statements import RANKS
from mlobs.server.ask.syntax import And, Node, Not, Some, Term

TEXT_MAX = 1_000
GROUPINGS_MAX = 3
Given = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list was asked for."""

    where: Condition
    range: Range
    sort: str
    limit: int
    after: Cursor | None


def listed(
    given: Given, now_ns: int, *, limit: int = 50, limit_max: int = 1_000, sorts: Sequence[str] = tuple(RANKS)
) -> Listed:
    """Return what a list was asked for.

    Raises:
        QueryError: The filter, the range or the cursor cannot be read.
        PayloadError: Another parameter cannot be used.
    """
    sort = choice(given, "sort", sorts)
    word = given.get("cursor", "")
    after = read_cursor(word, sort) if word else None
    within = after.range if after is not None else read_range(given, now_ns)
    return Listed(of_spans(filter_of(given)), within, sort, whole(given, "limit", limit, limit_max), after)


def filter_of(given: Given, name: str = "q") -> Node | None:
    """Return the filter, with `service`, `noun` and `status` as facts that some span of the trace has.

    Raises:
        QueryError: It cannot be read, or there is no such noun.
        PayloadError: `status` is none.
    """
    node = parse(given.get(name, ""))
    parts: list[Node] = [] if node is None else [node]
    for parameter, key in (("service", "service"), ("noun", "kind")):
        value = given.get(parameter, "")[:TEXT_MAX]
        checked(parameter, value)
        if parameter == "noun" and (wrong := noun_problem(value)):
            raise QueryError(f"noun={value[:40]!r} came; {wrong}")
        if value:
            parts.append(Some(Term(key, ":", literal(value))))
    status = given.get("status", "")
    if status not in {"", "ok", "error"}:
        raise PayloadError(f"status={status[:40]!r} came; ok or error is what can be asked for.")
    if status:
        failed = Some(Term("status", ":", "error"))
        parts.append(failed if status == "error" else Not(failed))
    return None if not parts else parts[0] if len(parts) == 1 else And(tuple(parts))


def spans(given: Given, name: str = "q") -> Condition:
    """Return the condition of a question about spans.

    Raises:
        QueryError: The filter cannot be read.
    """
    return condition(filter_of(given, name))


def in_trace(given: Given) -> Condition:
    """Return the condition for any span of a trace of which one span is as the filter says.

    Raises:
        QueryError: The filter cannot be read.
    """
    node = filter_of(given)
    return condition(None if node is None else Some(node))


def literal(text: str) -> str:
    r"""Return the pattern that matches a text and nothing else.

    >>> print(literal("a*"))
    a\*
    """
    return re.sub(r"([\\*])", r"\\\1", text)


def groupings(given: Given) -> list[str]:
    """Return what to group by.

    Raises:
        PayloadError: There are too many.
    """
    names = [name.strip() for name in given.get("by", "").split(",") if name.strip()]
    for name in names:
        checked("by", name)
    if len(names) > GROUPINGS_MAX:
        raise PayloadError(f"by has {len(names)} names; at most {GROUPINGS_MAX} can be grouped by.")
    return list(dict.fromkeys(names))


def whole(given: Given, name: str, default: int, most: int) -> int:
    """Return a whole number.

    Raises:
        PayloadError: It is none, or out of range.
    """
    text = given.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,20}", text) or not 1 <= int(text) <= most:
        raise PayloadError(f"{name}={text[:40]!r} came; a whole number from 1 to {most} was expected.")
    return int(text)


def choice(given: Given, name: str, choices: Sequence[str], default: str = "") -> str:
    """Return one of some words; the first if none came.

    Raises:
        PayloadError: It is another.
    """
    word = given.get(name) or default or choices[0]
    if word not in choices:
        raise PayloadError(f"{name}={word[:40]!r} came; one of {', '.join(choices)} was expected.")
    return word


def several(given: Given, name: str, choices: Sequence[str]) -> tuple[str, ...]:
    """Return some of some words, separated by commas; all if none came.

    Raises:
        PayloadError: One is another.
    """
    words = tuple(word.strip() for word in given.get(name, "").split(",") if word.strip())
    odd = [word for word in words if word not in choices]
    if odd:
        raise PayloadError(f"{name}={odd[0][:40]!r} came; some of {', '.join(choices)} were expected.")
    return words or tuple(choices)


def checked(name: str, text: str) -> str:
    """Return text that can be sent on.

    Raises:
        QueryError: It has halves of characters in it.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise QueryError(f"{name} has characters that are no text.") from None
    return text


def once(items: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return parameters by their names; one that came twice would be answered in part.

    Raises:
        PayloadError: One did.
    """
    found = dict(items)
    if len(found) < len(items):
        names = [name for name, _ in items]
        twice = next(name for name in names if names.count(name) > 1)
        raise PayloadError(
            f"The parameter {twice[:40]!r} came {names.count(twice)} times; it is taken once, and where it "
            "may have several values they are separated by commas."
        )
    return found


def known(given: Given, allowed: Sequence[str]) -> None:
    """Refuse parameters that a route does not know: a misspelt filter must not mean everything.

    Raises:
        PayloadError: One came.
    """
    odd = [name for name in given if name not in allowed]
    if odd:
        raise PayloadError(
            f"The parameter {odd[0][:40]!r} is not known here; there are {', '.join(allowed)}."
        )
