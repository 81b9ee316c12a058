"""What of a call's content may be recorded, as its decorator and the settings say."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlobs.errors import SettingError
from mlobs.instrument.content.capture import RESULT, Capture, Terms
from mlobs.semconv.rows import Span

if TYPE_CHECKING:
    from mlobs.instrument.content.hooks import Hook
    from mlobs.instrument.content.media import MediaStore
    from mlobs.settings import SdkSettings

MODES = ("off", "redacted", "full")
Reduce = Callable[[list[Any]], object]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds where a decorator says nothing.

    Args:
        mode: "off", "redacted" or "full".
        nouns: Exceptions by noun.
        characters_max: What one attribute may hold.
        media: Where images and the like are stored.
        hook: Told of the content of each model call.
    """

    mode: str = "off"
    nouns: Mapping[str, str] = field(default_factory=dict)
    characters_max: int = 65_536
    media: "MediaStore | None" = None
    hook: "Hook | None" = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What a decorator allows.

    Args:
        row: The noun's row in the vocabulary.
        function: What is decorated.
        mode: For the whole call, or None where the default holds.
        arguments: By argument, and by `return`.
        redact: Names of arguments, and of keys inside them, that are never recorded.
        reduce: Makes one value of the items of a stream.
    """

    row: Span
    function: Callable[..., Any]
    mode: str | None
    arguments: Mapping[str, str]
    redact: frozenset[str]
    reduce: Reduce | None

    def resolved(self, defaults: Defaults) -> Capture | None:
        """Return what records the content, or None where nothing of it is to be recorded."""
        if self.row.noun == "embedding":
            return None  # the conventions have no content attributes for it
        mode = self.mode or defaults.nouns.get(self.row.noun, defaults.mode)
        told = defaults.hook is not None and self.row.noun == "llm"
        if mode == "off" and set(self.arguments.values()) <= {"off"} and not told:
            return None
        terms = Terms(
            self.row,
            self.function,
            mode,
            self.arguments,
            self.redact,
            self.reduce,
            defaults.characters_max,
            defaults.media,
            defaults.hook,
        )
        return Capture(terms)


def policy_of(
    row: Span,
    function: Callable[..., Any],
    *,
    capture: str | Mapping[str, str] | None,
    redact: Sequence[str],
    reduce: Reduce | None,
) -> Policy:
    """Return the policy that a decorator's options describe.

    Raises:
        SettingError: A mode or an argument is not known, or an option is of the wrong kind.
    """
    where = f"@mlobs.{row.noun}"
    named = isinstance(redact, Iterable) and not isinstance(redact, str)
    if not named or not all(isinstance(name, str) for name in redact):
        shown = redact if isinstance(redact, str) else "card_no"
        raise SettingError(
            f"{where}(redact={redact!r}): a list of names was expected, as redact=[{shown!r}]."
        )
    if not (
        capture is None or isinstance(capture, str | Mapping)
    ):  # such as False, which must not mean nothing
        raise SettingError(
            f"{where}(capture={capture!r}): one of {', '.join(MODES)} was expected, or a dict of them by "
            f"argument. capture='off' records nothing."
        )
    by_argument = dict(capture) if isinstance(capture, Mapping) else {}
    mode = capture if isinstance(capture, str) else None
    for said in [*by_argument.values(), *([] if mode is None else [mode])]:
        if said not in MODES:
            raise SettingError(
                f"{where}(capture={capture!r}): {said!r} is not known; "
                f"one of {', '.join(MODES)} was expected{_nearest(said, MODES)}."
            )
    if by_argument or redact:
        _check_names(where, function, by_argument, redact)
    if reduce is not None and not callable(reduce):
        raise SettingError(f"{where}(reduce={reduce!r}): a function that takes a list was expected.")
    return Policy(row, function, mode, by_argument, frozenset(redact), reduce)


def _check_names(
    where: str, function: Callable[..., Any], capture: Mapping[str, str], redact: Sequence[str]
) -> None:
    """Refuse names in `capture` that the function does not have; those in `redact` may be nested keys."""
    bare = function.__func__ if isinstance(function, staticmethod | classmethod) else function
    try:
        parameters = inspect.signature(bare).parameters
    except (TypeError, ValueError) as error:
        raise SettingError(
            f"{where} is to tell arguments by name, and those of {bare!r} cannot be read ({error}). "
            f"Decorate a function of your own that calls it."
        ) from None
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return
    known = [*parameters, RESULT]
    for name in capture:
        if name not in known:
            raise SettingError(
                f"{where}(capture=...) names {name!r}, which is no argument of the function; "
                f"it has {', '.join(known)}{_nearest(name, known)}."
            )


def _nearest(word: object, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(word), known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def defaults_of(settings: "SdkSettings") -> Defaults:
    """Return what the settings say.

    Raises:
        SettingError: The completion hook cannot be used.
        MissingExtraError: Media are to be stored, and fsspec is not installed.
    """
    # Whoever has settings has loaded these, or is about to need them.
    from mlobs.instrument.content.hooks import load_hook
    from mlobs.instrument.content.media import MediaStore
    from mlobs.settings import read_content

    modes = read_content(settings.content)
    return Defaults(
        mode=modes.pop(""),
        nouns=modes,
        characters_max=settings.content_characters_max,
        media=None if settings.media is None else MediaStore(settings.media),
        hook=None if settings.completion_hook is None else load_hook(settings.completion_hook),
    )
