"""How a column is shown: its unit, colours and texts, by the panel's defaults and overrides."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlobs.dashboards.preview.colours import RAMPS, Theme, at_step, between
from mlobs.dashboards.preview.frames import Field, Frame, drawable, number
from mlobs.dashboards.preview.units import show

Config = dict[str, Any]
RELEASE = re.compile(r"\d+(\.\d+)?")
OF_FIELD = re.compile(
    r"\$\{__(?:field|series)\.(?:labels(?:\.(?P<label>[^}\"\]]+)|\[\"[^\"]*\"\])|displayName|name)\}"
)

# Grafana takes a panel that does not say which release made it for one of 6.1, and gives shares the ends that
# they had until 8.0: the line of 3 percent is flat then, and what is below 0 is cut off.
SINGLE, FREE_PERCENT, UNSAID = frozenset({"stat", "bargauge"}), 8.0, "6.1"
PERCENT: Mapping[Any, Config] = {"percent": {"min": 0, "max": 100}, "percentunit": {"min": 0, "max": 1}}


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as the page has it."""

    text: str
    colour: str


def name_of(column: Field, config: Config | None = None) -> str:
    """Return what a column is called on the page."""
    given = (config or {}).get("displayName")
    if not given:
        return column.shown or column.name
    return OF_FIELD.sub(lambda found: _of_field(found, column), str(given))


def _of_field(found: re.Match[str], column: Field) -> str:
    if found["label"]:
        return str(column.labels.get(found["label"], ""))
    return column.shown or column.name


def config_of(panel: Mapping[str, Any], frame: Frame, column: Field) -> Config:
    """Return the panel's defaults with the overrides that mean this column."""
    given = panel.get("fieldConfig") or {}
    config = _copied(given.get("defaults") or {})
    if panel.get("type") in SINGLE and _release(panel) < FREE_PERCENT:
        config = {**PERCENT.get(config.get("unit"), {}), **config}
    for override in given.get("overrides") or ():
        if _means(override.get("matcher") or {}, frame, column):
            for property_ in override.get("properties") or ():
                set_at(config, str(property_.get("id")), property_.get("value"))
    return config


def _release(panel: Mapping[str, Any]) -> float:
    found = RELEASE.match(str(panel.get("pluginVersion") or UNSAID))
    return float(found.group()) if found else 0.0


def shown(value: Any, config: Config, theme: Theme, *, place: int = 0, kind: str = "number") -> Shown:
    """Return a value's text and colour.

    Args:
        value: A number, a text or None.
        config: Of its column.
        theme: What colours are called in it.
        place: Which series it is, for the modes that count them.
        kind: Of the column; times are seconds.
    """
    mapped = _mapped(value, config.get("mappings") or ())
    if kind == "time" and value is not None:
        value = value * 1000
    text = _text(value, config, kind) if mapped.get("text") is None else str(mapped["text"])
    if mapped.get("color"):
        return Shown(text, theme.colour(str(mapped["color"])))
    return Shown(text, colour_of(value, config, theme, place))


def colour_of(value: Any, config: Config, theme: Theme, place: int) -> str:
    """Return the colour of a value, or of the series it belongs to."""
    given = config.get("color") or {}
    mode = given.get("mode") or "thresholds"
    low, high = limits(config)
    if mode in {"fixed", "shades"}:
        return theme.colour(given.get("fixedColor") or "green")
    if mode.startswith("palette-classic"):
        return theme.series(place)
    amount = value if isinstance(value, int | float) else float("-inf")
    if mode in RAMPS:
        share = (amount - low) / (high - low) if high > low and amount != float("-inf") else 0.0
        return between([theme.colour(name) for name in RAMPS[mode]], share)
    return theme.colour(at_step(amount, config.get("thresholds"), low=low, high=high))


def limits(config: Config, values: Sequence[float] = ()) -> tuple[float, float]:
    """Return the smallest and the largest value a bar shows."""
    low = config.get("min")
    high = config.get("max")
    values = [value for value in values if drawable(value)]
    percent = config.get("unit") in {"percentunit", "percent"}
    usual = 1.0 if config.get("unit") == "percentunit" else 100.0
    if low is None:
        low = 0.0 if percent or not values else min(0.0, *values)
    if high is None:
        high = usual if percent or not values else max(values)
    return float(low), float(high)


def share_of(value: float, low: float, high: float) -> float:
    """Return how far a value is on the way between two limits, 0 to 1."""
    return 0.0 if high <= low else (min(max(value, low), high) - low) / (high - low)


def _text(value: Any, config: Config, kind: str) -> str:
    if value is None or value == "":
        return str(config.get("noValue") or "")
    unit = config.get("unit")
    if kind == "time":
        return show(float(value), unit if unit and ("dateTime" in unit or ":" in unit) else "dateTimeAsIso")
    if isinstance(value, int | float):
        return show(float(value), unit, config.get("decimals"))
    return str(value)


def _mapped(value: Any, mappings: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    for mapping in sorted(mappings, key=lambda one: one.get("type") == "special"):
        options = mapping.get("options") or {}
        kind = mapping.get("type")
        if kind == "value" and isinstance(found := options.get(_key(value)), dict):
            return found
        if kind == "range" and isinstance(value, int | float):
            low, high = number(options.get("from")), number(options.get("to"))
            if (low is None or value >= low) and (high is None or value <= high):
                return _result(options)
        if kind == "regex" and isinstance(value, str) and searched(str(options.get("pattern")), value):
            return _result(options)
        if kind == "special" and _special(str(options.get("match")), value):
            return _result(options)
    return {}


def _result(options: Mapping[str, Any]) -> Mapping[str, Any]:
    found = options.get("result")
    return found if isinstance(found, dict) else {}


def _special(match: str, value: Any) -> bool:
    if match in {"null", "null+nan", "nan"}:
        return value is None
    return (match == "empty" and value == "") or (match == str(value).lower())


def _key(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _means(matcher: Mapping[str, Any], frame: Frame, column: Field) -> bool:
    kind, options = matcher.get("id"), matcher.get("options")
    names = {column.name, name_of(column)}
    if kind == "byName":
        return any(options == name for name in names)
    if kind == "byNames":
        chosen = options.get("names") if isinstance(options, dict) else None
        return isinstance(chosen, list) and any(name in chosen for name in names)
    if kind == "byRegexp":
        return any(searched(str(options), name) for name in names)
    if kind == "byFrameRefID":
        return bool(options == frame.ref)
    if kind == "byType":
        return {"string": "text"}.get(str(options), str(options)) == column.kind
    return False


def searched(pattern: str, name: str) -> bool:
    """Return whether a name has a pattern in it; Grafana writes them `/like this/i`."""
    found = re.fullmatch(r"/(.*)/([a-z]*)", pattern, re.DOTALL)
    body, flags = (found[1], re.IGNORECASE if "i" in found[2] else 0) if found else (pattern, 0)
    try:
        return re.search(body, name, flags) is not None
    except re.error:
        return False


def _copied(given: Mapping[str, Any]) -> Config:
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in given.items()}


def set_at(config: Config, path: str, value: Any) -> None:
    """Put a value where a path such as `custom.lineStyle` says."""
    *parents, last = path.split(".")
    for parent in parents:
        inner = config.get(parent)
        if not isinstance(inner, dict):
            inner = config[parent] = {}
        config = inner
    config[last] = value
