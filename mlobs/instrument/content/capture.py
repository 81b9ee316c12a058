"""Takes snapshots of one decorated function's arguments and results, on the caller's thread.

What attributes they become is `rendering`'s work, on the export thread; it is imported when first
needed, so that decorating a function costs a program no more than it must.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlobs.instrument.content.snapshots import ITEMS_MAX, Cut, Snapshots
from mlobs.semconv.rows import Span

if TYPE_CHECKING:
    from mlobs.instrument.calls import Call
    from mlobs.instrument.content.hooks import Hook
    from mlobs.instrument.content.media import MediaStore
    from mlobs.instrument.sites import Value

RESULT = "return"  # stands for the result in `capture={"return": "off"}`
STREAM_ITEMS_MAX = 10 * ITEMS_MAX


class Items(list[object]):
    """The items of a stream, up to a number of them."""

    __slots__ = ("_take",)

    def __init__(self, take: Callable[[object], object]) -> None:
        super().__init__()
        self._take = take

    def append(self, item: object) -> None:
        """Keep a snapshot of an item, unless there are too many."""
        if len(self) < STREAM_ITEMS_MAX:
            super().append(self._take(item))


@dataclass(frozen=True, slots=True)
class Terms:
    """What may be recorded of one function's calls, and how.

    Args:
        row: The noun's row in the vocabulary.
        function: What is decorated.
        mode: "off", "redacted" or "full", where `arguments` says nothing.
        arguments: By argument, and by `return`.
        redact: Names that are never recorded.
        reduce: Makes one value of the items of a stream.
        characters_max: What one attribute may hold.
        media: Where images and the like are stored.
        hook: Told of the content of model calls.
    """

    row: Span
    function: Callable[..., Any]
    mode: str
    arguments: Mapping[str, str]
    redact: frozenset[str]
    reduce: Callable[[list[Any]], object] | None
    characters_max: int
    media: "MediaStore | None"
    hook: "Hook | None"

    def of(self, name: str) -> str:
        """Return the mode of an argument, or of the result."""
        return self.arguments.get(name, self.mode)


class Capture:
    """Records content as far as `terms` allow."""

    __slots__ = ("_rendering", "_take", "result", "terms")

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._take = Snapshots(self._special).take
        self.result = self._take
        self._rendering: Any = None

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
        """Return a snapshot of a call's arguments."""
        take = self._take
        return [take(one) for one in args], {
            name: take(one) for name, one in kwargs.items()
        } if kwargs else {}

    def items(self) -> list[object]:
        """Return where a stream's items go."""
        return Items(self._take)

    def attributes(self, call: "Call") -> "dict[str, Value]":
        """Return the attributes that hold a finished call's content."""
        if self._rendering is None:
            from mlobs.instrument.content.rendering import Rendering

            self._rendering = Rendering(self.terms)
        found: dict[str, Value] = self._rendering.attributes(call)
        return found

    def _special(self, value: object) -> object:
        from mlobs.instrument.content.media import of_object  # few arguments are objects

        try:
            return of_object(value, keep=self.terms.media is not None)
        except Exception as error:  # noqa: BLE001 # a picture whose file is cut off
            return Cut(f"{type(value).__name__} that cannot be read: {type(error).__name__}")
