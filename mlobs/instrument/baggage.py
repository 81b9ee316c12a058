"""What travels with a request to other programs: session, experiment arms, prompt, by W3C baggage.

Baggage goes to every host a program calls, so only entries on an allow-list travel, and only
those are read where a request arrives. Users and tags are not on it unless somebody says so.
Edge: it reads and writes the OpenTelemetry context.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from opentelemetry import baggage
from opentelemetry.context import Context

from mlobs import _guard
from mlobs.errors import SettingError
from mlobs.instrument.context import Session
from mlobs.semconv import attributes as a
from mlobs.semconv.context import SESSION_KEY

VARIABLE = "MLOBS_BAGGAGE"
ENTRIES_MAX = 64
BYTES_MAX = 4096  # of our entries together, as they are written into the header
VALUE_CHARACTERS_MAX = 256

# The key OpenTelemetry keeps baggage under has no public name, but a public setter.
BAGGAGE_KEY = next(iter(baggage.set_baggage("a", "b", Context())))

_PLAIN = (a.SESSION_ID.name, a.USER_ID.name, a.PROMPT_NAME.name, a.PROMPT_VERSION.name)
_EXPERIMENT, _TAG = f"{a.EXPERIMENT.name}.", f"{a.TAG.name}."
DEFAULT = ",".join((a.SESSION_ID.name, f"{_EXPERIMENT}*", a.PROMPT_NAME.name, a.PROMPT_VERSION.name))
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}")  # a caller's names become keys of attributes: nothing odd


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which entries may travel.

    Args:
        keys: Whole keys.
        prefixes: What the keys of a family begin with.
    """

    keys: frozenset[str]
    prefixes: tuple[str, ...]

    def __contains__(self, key: str) -> bool:
        return key in self.keys or key.startswith(self.prefixes)

    def __bool__(self) -> bool:
        return bool(self.keys or self.prefixes)


def read_allowed(text: str) -> Allowed:
    """Read an allow-list: keys separated by commas, `mlobs.tag.*` for a family, or `none`.

    Raises:
        SettingError: It names something that cannot travel.
    """
    names = {name.strip() for name in text.split(",")} - {"", "none"}
    families = {name for name in names if name in {f"{_EXPERIMENT}*", f"{_TAG}*"}}
    for name in names - families - {*_PLAIN}:
        family = next((one for one in (_EXPERIMENT, _TAG) if name.startswith(one)), None)
        if family is None or not _NAME.fullmatch(name.removeprefix(family)):
            known = ", ".join((*_PLAIN, f"{_EXPERIMENT}*", f"{_TAG}*"))
            raise SettingError(
                f"{VARIABLE}={text!r} cannot be used: {name!r} is nothing that travels. "
                f"Name some of {known}, or none."
            )
    return Allowed(frozenset(names - families), tuple(sorted(name[:-1] for name in families)))


class _Policy:
    """The allow-list in use: that of `allow`, else that of the environment."""

    allowed: Allowed | None = None


_policy = _Policy()


def allow(text: str) -> None:
    """Use this allow-list from now on.

    Raises:
        SettingError: See `read_allowed`.
    """
    _policy.allowed = read_allowed(text)


def allowed() -> Allowed:
    """Return the allow-list in use."""
    if _policy.allowed is None:
        # Without `init` nobody has loaded the settings, and pydantic would cost a first request 0.1 s.
        try:
            _policy.allowed = read_allowed(os.environ.get(VARIABLE) or DEFAULT)
        except SettingError:
            _guard.failed(f"reading {VARIABLE}")
            _policy.allowed = read_allowed("none")
    return _policy.allowed


def with_baggage(session: Session, context: Context) -> Context:
    """Return `context` with what may travel of `session` in its baggage.

    Entries of others stay; those of the session around it do not. What does not fit into 64
    entries and 4 KB is left out.
    """
    may = allowed()
    if not may:
        return context
    found: dict[str, object] = {}
    room = BYTES_MAX
    for key, value in _entries(session):
        if key not in may or len(value) > VALUE_CHARACTERS_MAX or not value:
            continue
        room -= len(key) + len(quote_plus(value)) + 2  # = and ,
        if room < 0 or len(found) == ENTRIES_MAX:
            break
        found[key] = value
    before = baggage.get_all(context)
    others = {key: value for key, value in before.items() if key not in may}
    if not found and len(others) == len(before):
        return context
    return Context({**context, BAGGAGE_KEY: {**others, **found}})


def session_of(context: Context) -> Session | None:
    """Return the session that the baggage of `context` describes, or None.

    Entries that are not allowed, and what is longer than it should be, are as if they were not there.
    """
    carried: Any = context.get(BAGGAGE_KEY)
    if not carried:
        return None
    may = allowed()
    if not may:
        return None
    found: dict[str, str] = {}
    for key, value in carried.items():
        text = str(value)
        if key in may and 0 < len(text) <= VALUE_CHARACTERS_MAX and text.isprintable():
            found[key] = text
        if len(found) == ENTRIES_MAX:
            break
    if not found:
        return None
    prompt = found.get(a.PROMPT_NAME.name)
    session = Session(
        id=found.get(a.SESSION_ID.name),
        user=found.get(a.USER_ID.name),
        tags=_family(found, _TAG),
        experiments=_family(found, _EXPERIMENT),
        prompt=None if prompt is None else (prompt, found.get(a.PROMPT_VERSION.name)),
    )
    return None if session == Session() else session


def session_in(context: Context) -> Session | None:
    """Return the session `context` is in, opened here or carried by its baggage."""
    here: Any = context.get(SESSION_KEY)
    return here if here is not None else session_of(context)


def opened(session: Session, context: Context) -> Context:
    """Return `context` inside `session`, completed by the one around it, with its baggage."""
    whole = session.within(session_in(context))
    return with_baggage(whole, Context({**context, SESSION_KEY: whole}))


def _entries(session: Session) -> Iterator[tuple[str, str]]:
    """Yield keys and values, what matters most first."""
    name, version = session.prompt or (None, None)
    for key, value in zip(_PLAIN, (session.id, session.user, name, version), strict=True):
        if value is not None:
            yield key, str(value)
    for family, values in ((_EXPERIMENT, session.experiments), (_TAG, session.tags)):
        for key, arm in values.items():
            if _NAME.fullmatch(key):
                yield f"{family}{key}", str(arm)


def _family(found: dict[str, str], prefix: str) -> dict[str, str]:
    names = ((key.removeprefix(prefix), value) for key, value in found.items() if key.startswith(prefix))
    return {name: value for name, value in names if _NAME.fullmatch(name)}
