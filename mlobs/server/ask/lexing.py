r"""Cuts a filter into tokens.

A token is a term with its operator and value, words, or one of `( ) { } - OR AND`. Quotes keep spaces
together; in them `\"` is a quote. Which keys there are is not known here.
"""

import re
from dataclasses import dataclass

from mlobs.errors import QueryError
from mlobs.server.ask.syntax import PLAIN_KEY, Operator, Term, Text

CHARACTERS_MAX = 4_000
SHOWN_CHARACTERS = 40
OPERATOR = re.compile(r":?(>=|<=|!=|>|<)|:|=")
BARE = re.compile(r"(?:\\.|[^\s\"(){}\\])*", re.DOTALL)
QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
SPACE = re.compile(r"\s*")
MARKS = frozenset("(){}")
WORDS = {"OR": "OR", "AND": "AND", "NOT": "-"}


@dataclass(frozen=True, slots=True)
class Token:
    """A mark, or a leaf of the tree; `at` is the position of its first character, from 0."""

    mark: str
    leaf: Term | Text | None
    at: int


def tokens(text: str) -> list[Token]:
    """Return the tokens of a filter.

    Raises:
        QueryError: It is too long, or no filter. The sentence has the position, counted from 1.
    """
    if len(text) > CHARACTERS_MAX:
        raise QueryError(
            f"The filter has {len(text):,} characters; at most {CHARACTERS_MAX:,} are read. Leave terms out."
        )
    if re.search("[\ud800-\udfff]", text):
        raise QueryError("The filter has halves of characters in it, which are no text.")
    found: list[Token] = []
    at = _after_space(text, 0)
    while at < len(text):
        token, at = _token(text, at)
        found.append(token)
        at = _after_space(text, at)
    return found


def refusal(text: str, at: int, sentence: str) -> QueryError:
    """Return the error for what stands at a position."""
    if at >= len(text):
        return QueryError(f"The filter ends too early: {sentence}")
    shown = text[at : at + SHOWN_CHARACTERS]
    return QueryError(f"At character {at + 1} of the filter, {shown!r}: {sentence}")


def unescaped(pattern: str) -> str:
    """Return what a pattern says when nothing in it has a meaning of its own."""
    return re.sub(r"\\(.)", r"\1", pattern, flags=re.DOTALL)


def _token(text: str, at: int) -> tuple[Token, int]:
    if text[at] in MARKS:
        return Token(text[at], None, at), at + 1
    if text[at] == "-":
        return Token("-", None, at), at + 1
    if text[at] == '"':
        content, end = _quoted(text, at)
        if OPERATOR.match(text, end):
            raise refusal(
                text, at, 'a key has no quotes; an attribute with odd characters is attr."its name".'
            )
        return Token("", Text(unescaped(content)), at), end
    key, after = _key(text, at)
    operator = OPERATOR.match(text, after) if key else None
    if operator is None:
        return _words(text, at)
    value, end = _value(text, operator.end(), key)
    return Token("", Term(key, _operator(operator[0]), value, at), at), end


def _words(text: str, at: int) -> tuple[Token, int]:
    if found := OPERATOR.match(text, at):
        raise refusal(text, at, f"a key was expected before {found[0]!r}, as in status:error.")
    end = _bare_end(text, at)
    word = text[at:end]
    if word in WORDS:
        return Token(WORDS[word], None, at), end
    return Token("", Text(unescaped(word)), at), end


def _key(text: str, at: int) -> tuple[str, int]:
    """Return the key that begins here, if one does, and where it ends."""
    found = PLAIN_KEY.match(text, at)
    if found is None:
        return "", at
    key, end = found[0], found.end()
    if key.endswith(".") and text[end : end + 1] == '"':
        content, end = _quoted(text, end)
        key += unescaped(content)
    return key, end


def _value(text: str, at: int, key: str) -> tuple[str, int]:
    if text[at : at + 1] == '"':
        content, end = _quoted(text, at)
        return _unquoted(content), end
    end = _bare_end(text, at)
    if end == at:
        raise refusal(
            text,
            at,
            f'a value was expected after {key[:SHOWN_CHARACTERS]}; "" is the empty text, * is any text.',
        )
    return _unquoted(text[at:end]), end


def _unquoted(content: str) -> str:
    """Take the backslashes of quotes away; those of stars and backslashes have a meaning later."""
    return re.sub(r"\\(.)", lambda pair: '"' if pair[1] == '"' else pair[0], content, flags=re.DOTALL)


def _quoted(text: str, at: int) -> tuple[str, int]:
    found = QUOTED.match(text, at)
    if found is None:
        raise refusal(text, at, "the quote is not closed.")
    return found[1], found.end()


def _bare_end(text: str, at: int) -> int:
    found = BARE.match(text, at)
    end = found.end() if found else at
    if text[end : end + 1] == "\\":
        raise refusal(text, end, "a backslash ends the filter; write two of them for one.")
    return end


def _operator(written: str) -> Operator:
    bare = written.removeprefix(":") or ":"
    return ":" if bare in {":", "="} else bare  # type: ignore[return-value]  # the pattern has no others


def _after_space(text: str, at: int) -> int:
    found = SPACE.match(text, at)
    return found.end() if found else at
