"""Decides whether a request may be answered, for HTTP and gRPC alike."""

import hmac
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass

from mlobs.server.access.scopes import OPEN, SCOPES, allows
from mlobs.server.access.tokens import Token, digest
from mlobs.server.receive.refusals import RefusedError

CREDENTIALS_MAX = 4_096
ASK = "Send the header Authorization: Bearer TOKEN, or Basic with the token as the password."


@dataclass(frozen=True)
class Caller:
    """Whoever asks."""

    scopes: frozenset[str]
    tenant: str = ""


EVERYBODY = Caller(frozenset(SCOPES))  # On loopback, where no tokens are asked.
NOBODY = Caller(frozenset())


class Guard:
    """Knows the tokens.

    Args:
        tokens: Those that are taken; without any, everybody may do everything.
    """

    def __init__(self, tokens: Sequence[Token] = ()) -> None:
        self._tokens = tuple(tokens)

    @property
    def asks(self) -> bool:
        """Whether tokens are asked for."""
        return bool(self._tokens)

    def admit(self, authorization: str, needed: str) -> Caller:
        """Return who asks.

        Args:
            authorization: The header's value, "" when none came.
            needed: The scope of the route or method.

        Raises:
            RefusedError: 401 without a token that is known, 403 with one that may not do this.
        """
        if not self.asks:
            return EVERYBODY
        if needed == OPEN and not authorization:
            return NOBODY
        if not authorization:
            raise RefusedError(401, "no_token", f"No token came. {ASK}")
        caller = self._caller(_credentials(authorization))
        if not allows(caller.scopes, needed):
            held = ", ".join(sorted(caller.scopes))
            raise RefusedError(403, "scope", f"The token is for {held}; {needed} is needed here.")
        return caller

    def _caller(self, token: str) -> Caller:
        came, found = digest(token), None
        for known in self._tokens:  # All of them, so that the time taken says nothing.
            if hmac.compare_digest(known.sum, came):
                found = known
        if found is None:
            raise RefusedError(401, "wrong_token", f"The token is not known here. {ASK}")
        return Caller(found.scopes, found.tenant)


def _credentials(authorization: str) -> str:
    """Return the token in a header."""
    scheme, _, rest = authorization[:CREDENTIALS_MAX].partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer" and rest:
        return rest
    if scheme.lower() == "basic":
        try:
            return b64decode(rest, validate=True).decode().partition(":")[2]
        except (Base64Error, ValueError):
            raise RefusedError(401, "wrong_token", f"Basic came without base64 of text. {ASK}") from None
    raise RefusedError(401, "wrong_token", f"An Authorization of another kind came. {ASK}")
