"""The file of tokens: who may send, ask or change.

A line is `scope[,scope] TOKEN [tenant=NAME]`; empty lines and those that begin with # are skipped:

    ingest        k3J9-something-long-and-random   tenant=shop
    read,admin    p0Qz-something-else

Only SHA-256 sums are kept in memory.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from mlobs.errors import SettingError
from mlobs.server.access.scopes import SCOPES

WORLD = 0o007  # Of a file's mode: what everybody on the machine may do with it.
CHARACTERS_MIN = 16
TENANT = re.compile(r"tenant=([A-Za-z0-9._-]{1,64})")
SHAPE = "scope[,scope] TOKEN [tenant=NAME]"


@dataclass(frozen=True)
class Token:
    """One line of the file."""

    scopes: frozenset[str]
    sum: bytes
    tenant: str = ""


def read_tokens(path: Path) -> tuple[Token, ...]:
    """Return the tokens of a file.

    Raises:
        SettingError: It cannot be read, everybody may read it, or a line is not a token. The
            sentence never has the token in it.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingError(
            f"The file of tokens {path} cannot be read: {error.strerror}. "
            "It was named by --tokens or, without that, by MLOBS_TOKENS."
        ) from error
    except UnicodeDecodeError:
        raise SettingError(f"The file of tokens {path} is not UTF-8 text; write it anew.") from None
    if mode & WORLD:
        raise SettingError(
            f"The file of tokens {path} is open to every user of this machine (mode {mode & 0o777:o}). "
            f"Close it: chmod 600 {path}"
        )
    found = [token_of(line, f"{path}, line {number}") for number, line in _lines(text)]
    if not found:
        raise SettingError(f"The file of tokens {path} has no token in it. A line is {SHAPE}.")
    if len({token.sum for token in found}) < len(found):
        raise SettingError(f"The file of tokens {path} has the same token twice; remove one line.")
    return tuple(found)


def token_of(line: str, place: str) -> Token:
    """Return what one line says.

    Raises:
        SettingError: It is not a token; the sentence begins with `place`.
    """
    words = line.split()
    if not 2 <= len(words) <= 3:
        raise SettingError(f"{place}: {len(words)} words came; {SHAPE} was expected.")
    scopes = frozenset(words[0].split(","))
    if not scopes <= set(SCOPES):
        # Perhaps the words are in the wrong order, and what stands here is the token.
        raise SettingError(f"{place}: the first word is no scope; {', '.join(SCOPES)} or several are.")
    if not words[1].isascii():
        raise SettingError(f"{place}: the token has characters beyond ASCII, which no client can send.")
    if len(words[1]) < CHARACTERS_MIN:
        raise SettingError(
            f"{place}: the token has {len(words[1])} characters, {CHARACTERS_MIN} or more were expected. "
            f"Make one with: openssl rand -hex 24"
        )
    tenant = TENANT.fullmatch(words[2]) if len(words) > 2 else None
    if len(words) > 2 and tenant is None:
        raise SettingError(
            f"{place}: the third word is not tenant=NAME with a name of letters, digits, dots, - and _."
        )
    return Token(scopes, digest(words[1]), tenant[1] if tenant else "")


def digest(token: str) -> bytes:
    """Return what is kept of a token."""
    return sha256(token.encode()).digest()


def _lines(text: str) -> list[tuple[int, str]]:
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    return [(number, line) for number, line in lines if line and not line.startswith("#")]
