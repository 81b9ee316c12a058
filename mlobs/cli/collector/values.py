"""Checks of what is set: keys that a component does not have, and values of a kind it does not take.

What each has is in collectors/keys.json. The collector refuses most of this too, once it is at
hand; a policy of a type that it does not have, and a time without a unit, it takes, and does not
start or waits for nanoseconds.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mlobs.cli.collector.components import FORMER
from mlobs.cli.collector.finding import Found, near
from mlobs.cli.collector.keys import known
from mlobs.cli.collector.reading import Document, Path, map_at

ANY, ANYTHING = "*", "any"
# How many keys a finding lists; of a component with more, only the like ones are of use.
LISTED_MAX = 12
ENDS = [ANYTHING]
SERVICE: Mapping[str, Any] = {
    "extensions": ENDS,
    "pipelines": {ANY: {"receivers": ENDS, "processors": ENDS, "exporters": ENDS}},
    "telemetry": ANYTHING,
}
TIME = re.compile(r"[+-]?(?:0|(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)")
# Policy types without settings of their own; each other has a key of its name.
BARE = ("always_sample", "trace_flags")


def settings(document: Document) -> Iterator[Found]:
    """Keys and values that components, pipelines and the collector's own telemetry do not take."""
    for section, components in known().items():
        former = FORMER.get(section, {})
        for name, told in map_at(document.data, section).items():
            kind = name.split("/")[0]
            shape = components.get(former.get(kind, kind))
            if section != "service" and shape is not None:
                yield from _of_map(told, shape, (section, name))
    service = map_at(document.data, "service")
    yield from _of_map(service, SERVICE, ("service",))
    # Of telemetry the upper keys only: what is below is of several versions of one format.
    telemetry, shape = map_at(service, "telemetry"), known()["service"]["telemetry"]
    yield from _unknown(telemetry, shape, ("service", "telemetry"))
    for part in ("logs", "metrics"):
        yield from _unknown(map_at(telemetry, part), shape[part], ("service", "telemetry", part))


def policies(document: Document) -> Iterator[Found]:
    """A sampling policy of a type that mlobs' collector does not have: it would not start."""
    shape = known()["processors"]["tail_sampling"]["policies"][0]
    for name, told in map_at(document.data, "processors").items():
        if name.split("/")[0] == "tail_sampling" and isinstance(told, dict):
            yield from _of_policies(told.get("policies"), shape, ("processors", name, "policies"))


def _of_policies(told: Any, shape: Mapping[str, Any], path: Path) -> Iterator[Found]:
    types = sorted({*BARE, *shape} - {ANY, "name", "type"})
    for number, policy in enumerate(told if isinstance(told, list) else [told]):
        if not isinstance(policy, dict):
            continue
        here = (*path, str(number)) if isinstance(told, list) else path
        kind = policy.get("type")
        if kind not in types:
            said = "a policy has no type" if kind is None else f"there is no policy of type {kind!r}"
            yield Found(
                (*here, "type") if kind is not None else here,
                f"{said}, and the collector does not start with it.{near(str(kind), types)} "
                f"There are: {', '.join(types)}.",
            )
        elif kind not in BARE and policy.get(kind) is None:
            text = f"a policy of type {kind!r} has its settings under {kind}:, and there are none. Add them."
            yield Found(here, text, "note")
        yield from _unknown(policy, {key: inner for key, inner in shape.items() if key != ANY}, here)
        for key, inner in policy.items():
            for sub, below in map_at(shape, key).items():
                if sub.endswith("_sub_policy") and isinstance(inner, dict):
                    shaped = below[0] if isinstance(below, list) else below
                    yield from _of_policies(inner.get(sub), shaped, (*here, key, sub))


def _of_map(told: Any, shape: Mapping[str, Any], path: Path) -> Iterator[Found]:
    if told is None or isinstance(told, str):  # A text may be ${file:...}, or a statement written short.
        return
    if not isinstance(told, dict):
        yield Found(
            path, f"{path[-1]!r} holds settings, and {told!r} is none. Write {path[-1]}: {{key: value}}."
        )
        return
    yield from _unknown(told, shape, path)
    for key, inner in told.items():
        below = shape.get(key, shape.get(ANY))
        if below is not None:
            yield from _of_value(inner, below, (*path, key))


def _of_value(told: Any, shape: Any, path: Path) -> Iterator[Found]:
    if told is None or shape == ANYTHING:
        return
    if isinstance(shape, dict):
        yield from _of_map(told, shape, path)
    elif isinstance(shape, list):
        if isinstance(told, list):
            for number, one in enumerate(told):
                yield from _of_value(one, shape[0], (*path, str(number)))
        elif told and not isinstance(told, str):
            yield Found(path, f"{path[-1]!r} is a list, and {told!r} is none. Write [{told}].")
    elif wrong := KINDS[shape](told):
        yield Found(path, f"{path[-1]!r} {wrong}")


def _unknown(told: Mapping[str, Any], shape: Mapping[str, Any], path: Path) -> Iterator[Found]:
    if ANY in shape:
        return
    for key in told:
        if key in shape:
            continue
        hint = near(key, shape) or _elsewhere(key, shape)
        if not hint and shape and len(shape) <= LISTED_MAX:
            hint = f" It has: {', '.join(sorted(shape))}."
        yield Found((*path, key), f"{path[-1]!r} has no setting {key!r}.{hint or ' Remove it.'}")


def _elsewhere(key: str, shape: Mapping[str, Any]) -> str:
    """What is one level too high is the commonest slip after a wrong letter."""
    for name, inner in shape.items():
        if isinstance(inner, dict) and key in inner:
            return f" It belongs under {name}: write {name}: {{{key}: ...}}."
    return ""


def _no_bool(told: Any) -> str:
    return (
        "" if isinstance(told, bool) else f"is true or false, and {told!r} is neither. Write true or false."
    )


def _no_integer(told: Any) -> str:
    if isinstance(told, int) and not isinstance(told, bool):
        return ""
    if isinstance(told, float) and told.is_integer():
        return ""
    return f"is a whole number, and {told!r} is none. Write it in digits, without quotes."


def _no_number(told: Any) -> str:
    if isinstance(told, int | float) and not isinstance(told, bool):
        return ""
    return f"is a number, and {told!r} is none. Write it in digits, without quotes."


def _no_duration(told: Any) -> str:
    if isinstance(told, str) and TIME.fullmatch(told):
        return ""
    if isinstance(told, int) and not isinstance(told, bool):
        if told == 0:
            return ""
        return f"is a time, and {told} without a unit is {told} nanoseconds. Write {told}s, or another unit."
    return f"is a time, and {told!r} is none. Write a number with ns, us, ms, s, m or h, such as 30s."


def _no_text(told: Any) -> str:
    return f"is one text, and {told!r} is none. Write a text." if isinstance(told, dict | list) else ""


KINDS: Mapping[str, Callable[[Any], str]] = {
    "bool": _no_bool,
    "integer": _no_integer,
    "number": _no_number,
    "duration": _no_duration,
    "text": _no_text,
}
