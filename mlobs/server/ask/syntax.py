"""The tree of a filter, and how it is written.

`parsing.parse(write(tree))` is the same tree, so a filter can be kept, shown and sent on as text.
"""

import re
from dataclasses import dataclass
from typing import Literal

Operator = Literal[":", "!=", ">", ">=", "<", "<="]
PLAIN = re.compile(r"[^\s\"(){}\\:<>=!][^\s\"(){}\\]*")  # needs no quotes
PLAIN_KEY = re.compile(r"[A-Za-z_@][A-Za-z0-9_.@/$-]*")


@dataclass(frozen=True, slots=True)
class Term:
    r"""One fact of a span: `model:gpt*`, `duration>5s`. `at` is where it stands in the text.

    In `value` a star stands for anything, `\*` for a star and `\\` for a backslash.
    """

    key: str
    operator: Operator
    value: str
    at: int = 0

    def __eq__(self, other: object) -> bool:
        """Where a term stands is not what it says."""
        mine = (self.key, self.operator, self.value)
        return isinstance(other, Term) and mine == (other.key, other.operator, other.value)

    def __hash__(self) -> int:
        return hash((self.key, self.operator, self.value))


@dataclass(frozen=True, slots=True)
class Text:
    """Words that some content of the trace has."""

    text: str


@dataclass(frozen=True, slots=True)
class Not:
    """What must not be so."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """All of these, of one span."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of these at least."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """Some span of the trace is as the part in braces says."""

    part: "Node"


Node = Term | Text | Not | And | Or | Some


def write(node: Node) -> str:
    r"""Return a tree as a filter.

    >>> write(And((Term("name", ":", "chat gpt*"), Not(Or((Text("a b"), Term("cost", ">", "1")))))))
    'name:"chat gpt*" -("a b" OR cost>1)'
    """
    match node:
        case Term():
            return f"{_key(node.key)}{node.operator}{_value(node.value)}"
        case Text():
            return quoted(node.text)
        case Not():
            return f"-{_inside(node.part)}"
        case Some():
            return f"{{{write(node.part)}}}"
        case And():
            return " ".join(map(_inside, node.parts))
        case Or():
            return " OR ".join(_inside(part) if isinstance(part, Or) else write(part) for part in node.parts)


def quoted(text: str) -> str:
    r"""Return text in quotes.

    >>> print(quoted('say "hi"'))
    "say \"hi\""
    """
    return _in_quotes(text.replace("\\", "\\\\"))


def _inside(node: Node) -> str:
    return f"({write(node)})" if isinstance(node, And | Or) else write(node)


def _key(key: str) -> str:
    if PLAIN_KEY.fullmatch(key):
        return key
    prefix, _, rest = key.partition(".")
    return f"{prefix}.{quoted(rest)}"


def _value(value: str) -> str:
    """Return a pattern as it is typed; its backslashes are part of it."""
    return value if PLAIN.fullmatch(value) else _in_quotes(value)


def _in_quotes(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'
