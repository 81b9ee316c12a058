"""What added files take out of a configuration that ships with mlobs: lists are replaced, not joined."""

from collections.abc import Iterator, Sequence
from typing import Any

from mlobs.cli.collector.finding import Finding, Found
from mlobs.cli.collector.reading import Document, Path, Source, merged, read

REDACTION = "redaction/"


def replaced(shipped: Sequence[Source], added: Sequence[Source]) -> list[Finding]:
    """Return what the added files replace: lists, and redaction that is gone with them.

    Raises:
        DataError: A file is not YAML, or not a map.
    """
    if not added:
        return []
    before, after, places = merged(shipped), merged([*shipped, *added]), read([*shipped, *added], {})
    former = read(shipped, {})
    found = [*_lists(before, after, (), former), *_redaction(before, after)]
    return [Finding(places.place(one.path), one.path, one.level, one.text) for one in found]


def _lists(before: Any, after: Any, path: Path, former: Document) -> Iterator[Found]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key, inner in before.items():
            if key in after:
                yield from _lists(inner, after[key], (*path, key), former)
    elif isinstance(before, list) and before != after:
        gone = [one for one in before if not isinstance(after, list) or one not in after]
        place = former.place(path)
        where = f" of {place.file}:{place.line}" if place else ""
        if gone:
            told = ", ".join(_called(one) for one in gone)
            text = f"this replaces the list{where}, and these are in it no more: {told}. Write all you want."
            yield Found(path, text, "note")


def _called(item: Any) -> str:
    return str(item.get("name", next(iter(item), ""))) if isinstance(item, dict) else str(item)


def _redaction(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Found]:
    """Traces, logs and labels of metrics that went through it must go on doing so."""
    now = after.get("service", {}).get("pipelines", {})
    for name, pipeline in before["service"]["pipelines"].items():
        has = [one for one in pipeline["processors"] if one.startswith(REDACTION)]
        told = now.get(name) if isinstance(now, dict) else None
        left = told.get("processors") if isinstance(told, dict) else None
        if has and told and not any(str(one).startswith(REDACTION) for one in left or []):
            yield Found(
                ("service", "pipelines", name, "processors"),
                f"without {has[0]!r} the secrets in {name} go through. Put it back, behind memory_limiter.",
            )
