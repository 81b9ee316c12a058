"""Reads a filter: `service:x model:gpt* (status:error OR duration>5s) -tool:lookup "words"`."""

import difflib

from mlobs.server.ask.keys import find, names, problem
from mlobs.server.ask.lexing import Token, refusal, tokens
from mlobs.server.ask.syntax import And, Node, Not, Or, Some, Term

TERMS_MAX = 50
DEPTH_MAX = 20


def parse(text: str) -> Node | None:
    """Return the tree of a filter, None for an empty one.

    Raises:
        QueryError: It is no filter, or too large. One sentence, with the position and, for a key that
            does not exist,
            the nearest one.
    """
    reader = _Reader(text, tokens(text))
    if not reader.left:
        return None
    node = reader.alternatives(0)
    if reader.left:
        token = reader.left[0]
        raise refusal(text, token.at, f"nothing that this {token.mark!r} could close is open.")
    return node


class _Reader:
    """Takes tokens from the front."""

    def __init__(self, text: str, found: list[Token]) -> None:
        self._text = text
        self.left = found[:]
        self._in_braces = False
        terms = [token for token in found if token.leaf is not None]
        if len(terms) > TERMS_MAX:
            raise refusal(
                text,
                terms[TERMS_MAX].at,
                f"this is the {TERMS_MAX + 1}st term; at most {TERMS_MAX} are read.",
            )

    def alternatives(self, depth: int) -> Node:
        parts = [self._together(depth)]
        while self._next() == "OR":
            self._take()
            parts.append(self._together(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _together(self, depth: int) -> Node:
        parts = [self._one(depth)]
        while self.left and self._next() not in {"OR", ")", "}"}:
            if self._next() == "AND":
                self._take()
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self, depth: int) -> Node:
        if depth > DEPTH_MAX:
            raise refusal(
                self._text, self._at(), f"more than {DEPTH_MAX} brackets and minus signs are nested."
            )
        if not self.left:
            raise refusal(self._text, len(self._text), "a term such as status:error was expected.")
        token = self._take()
        if token.mark == "-":
            return Not(self._one(depth + 1))
        if token.mark == "(":
            return self._closed(token, ")", depth)
        if token.mark == "{":
            if self._in_braces:
                raise refusal(
                    self._text, token.at, "braces stand for one span of the trace and cannot be nested."
                )
            self._in_braces = True
            node = Some(self._closed(token, "}", depth))
            self._in_braces = False
            return node
        if token.leaf is None:
            raise refusal(self._text, token.at, "a term such as status:error was expected here.")
        if isinstance(token.leaf, Term):
            self._check(token.leaf)
        elif not token.leaf.text:
            raise refusal(
                self._text, token.at, "an empty text is in everything; write the words to look for."
            )
        return token.leaf

    def _closed(self, opening: Token, closing: str, depth: int) -> Node:
        node = self.alternatives(depth + 1)
        if self._next() != closing:
            raise refusal(self._text, opening.at, f"this {opening.mark!r} is not closed by a {closing!r}.")
        self._take()
        return node

    def _check(self, term: Term) -> None:
        """Refuse a key that does not exist, an operator or a value that its key does not take."""
        key = find(term.key)
        if key is not None:
            wrong = problem(key, term)
            if wrong:
                raise refusal(self._text, term.at, wrong)
            return
        near = difflib.get_close_matches(term.key.lower(), names(), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? " if near else ""
        raise refusal(
            self._text,
            term.at,
            f"there is no key {term.key[:60]!r}; {hint}Keys: {', '.join(names())}, attr.NAME, resource.NAME. "
            f"Text that has a colon needs quotes.",
        )

    def _next(self) -> str:
        return self.left[0].mark if self.left else ""

    def _at(self) -> int:
        return self.left[0].at if self.left else len(self._text)

    def _take(self) -> Token:
        return self.left.pop(0)
