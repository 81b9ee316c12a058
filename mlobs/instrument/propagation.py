"""Carries trace and session to other programs. Edge: it speaks to OpenTelemetry's propagators.

`inject` writes where we are into what leaves, `extract` enters what arrived. A carrier is what
headers are kept in: a mapping, or a list of pairs as Kafka and gRPC have.

Nothing here raises into the program. What arrives is a stranger's: it is bounded before a
propagator sees it, and where it makes no sense the call it came with begins a new trace.
"""

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from itertools import islice
from typing import Any, Protocol

from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter, Setter, TextMapPropagator

from mlobs import _guard
from mlobs.instrument.baggage import BAGGAGE_KEY, session_in, session_of, with_baggage
from mlobs.instrument.context import CALL_KEY, SPAN_KEY, close_scope, current, open_scope, switch
from mlobs.semconv.context import SESSION_KEY

HEADERS_MAX = 1000  # looked at; a request has 30
HEADER_CHARACTERS_MAX = 8192  # as long as baggage may be; the others are shorter


_OURS = (SPAN_KEY, CALL_KEY, SESSION_KEY, BAGGAGE_KEY)


class Put(Protocol):
    """Writes one header into a carrier."""

    def __call__(self, carrier: Any, key: str, value: str, /) -> object:
        """Write `key: value` into `carrier`."""


def inject(carrier: Any = None, *, setter: "Put | Setter[Any] | None" = None) -> Any:
    """Write where we are into the headers of a request or message, and return them.

    Args:
        carrier: A mapping, or a list of pairs, to which values are added as bytes. Without one, a
            new dict of strings is made, which can be pickled and sent along with the work.
        setter: How a header is written into another kind of carrier: called with the carrier,
            the name and the value.
    """
    filled = {} if carrier is None else carrier
    try:
        propagator = configured()
        if propagator is not None:
            context = current()
            session = session_in(context)
            if session is not None:
                context = with_baggage(session, context)
            propagator.inject(filled, context, _Setter(setter))
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("writing trace headers")
    return filled


class extract:  # noqa: N801 # read as a verb: with mlobs.extract(...)
    """All calls inside belong to the call that sent a message: `with mlobs.extract(message.headers):`.

    Args:
        carrier: The headers of a request or message: a mapping or pairs, names in any case, values
            str, bytes or lists of them; or None.
    """

    def __init__(self, carrier: Any) -> None:
        self._carrier = carrier

    def __enter__(self) -> None:
        outer = current()
        open_scope(self, outer)
        switch(arrived(self._carrier, outer))

    def __exit__(self, *error: object) -> None:
        close_scope(self)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        self.__exit__()


def arrived(carrier: Any, outer: Context) -> Context:
    """Return `outer` inside the remote call and session that `carrier` names, or in none."""
    context = Context({key: value for key, value in outer.items() if key not in _OURS})
    try:
        propagator = configured()
        if propagator is None or carrier is None:
            return context
        headers = bounded(carrier, propagator.fields)
        context = propagator.extract(headers, context, _GETTER)
        session = session_of(context)
        if session is not None:
            context = Context({**context, SESSION_KEY: session})
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("reading trace headers")
    return context


def configured() -> TextMapPropagator | None:
    """Return the propagator of OTEL_PROPAGATORS or of the program, or None if it cannot be loaded."""
    try:
        from opentelemetry.propagate import get_global_textmap  # reads the variable when it is imported
    except Exception:  # noqa: BLE001 # a propagator that is misspelled or not installed
        _guard.failed("loading the propagators of OTEL_PROPAGATORS")
        return None
    return get_global_textmap()


def bounded(carrier: Any, wanted: Iterable[str]) -> dict[str, list[str]]:
    """Return the headers called `wanted`, in lower case, without what cannot be meant seriously.

    Args:
        carrier: A mapping or pairs.
        wanted: The names that are looked for.

    Raises:
        TypeError: The carrier is neither a mapping nor pairs.
    """
    names = {name.lower() for name in wanted}
    found: dict[str, list[str]] = {}
    items: Callable[[], Any] | None = getattr(carrier, "items", None)
    for pair in islice(items() if callable(items) else carrier, HEADERS_MAX):
        key: object = pair[0]
        if isinstance(key, bytes):
            key = key.decode("latin-1")
        if not isinstance(key, str) or (name := key.lower()) not in names:
            continue
        values = pair[1] if isinstance(pair[1], list | tuple) else [pair[1]]
        texts = [text for text in map(_text, islice(values, HEADERS_MAX)) if text is not None]
        found.setdefault(name, []).extend(texts)
    if "baggage" in found:  # may come in several headers; the propagator reads the first
        found["baggage"] = [",".join(found["baggage"])]
    return {name: texts for name, texts in found.items() if sum(map(len, texts)) <= HEADER_CHARACTERS_MAX}


def _text(value: object) -> str | None:
    """Return a header as text; every one a propagator knows is ASCII."""
    if isinstance(value, bytes | bytearray | memoryview):
        raw = bytes(value[: HEADER_CHARACTERS_MAX + 1])
        return raw.decode("ascii") if raw.isascii() else None
    return value[: HEADER_CHARACTERS_MAX + 1] if isinstance(value, str) and value.isascii() else None


class _Getter(Getter[Mapping[str, list[str]]]):
    def get(self, carrier: Mapping[str, list[str]], key: str) -> list[str] | None:
        return carrier.get(key.lower())

    def keys(self, carrier: Mapping[str, list[str]]) -> list[str]:
        return list(carrier)


class _Setter(Setter[Any]):
    def __init__(self, put: "Put | Setter[Any] | None") -> None:
        self._put: Any = getattr(put, "set", put)

    def set(self, carrier: Any, key: str, value: str) -> None:
        if self._put is not None:
            self._put(carrier, key, value)
        elif isinstance(carrier, list):
            carrier[:] = [pair for pair in carrier if not _is(pair[0], key)]
            carrier.append((key, value.encode()))
        else:
            if isinstance(carrier, MutableMapping):
                for other in [name for name in carrier if name != key and _is(name, key)]:
                    del carrier[other]
            carrier[key] = value  # also what only has __setitem__, as headers of many clients


def _is(name: object, key: str) -> bool:
    return isinstance(name, str) and name.lower() == key


_GETTER = _Getter()
