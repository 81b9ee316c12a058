"""Whether a dashboard is put together as Grafana does it, so that the rules can look into it.

What is null counts as left out: exports are full of it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mlobs.dashboards.lint.findings import Problem

NUMBER, TEXT, ANY = "a number", "a text", "an object"
Shape = str | Mapping[str, Any] | list[Any]

_LINKS: Shape = [ANY]
_PANEL: dict[str, Shape] = {
    "type": TEXT,
    "id": NUMBER,
    "gridPos": dict.fromkeys("xywh", NUMBER),
    "targets": [ANY],
    "links": _LINKS,
    "fieldConfig": {
        "defaults": {"min": NUMBER, "max": NUMBER, "unit": TEXT, "links": _LINKS},
        "overrides": [{"matcher": ANY, "properties": [ANY]}],
    },
}
DASHBOARD: Shape = {
    "panels": [{**_PANEL, "panels": [_PANEL]}],
    "templating": {"list": [ANY]},
    "annotations": {"list": [ANY]},
}


def problems(dashboard: Any) -> Iterator[Problem]:
    """Yield the places that are no such thing as Grafana has there."""
    yield from _problems(dashboard, DASHBOARD, "the dashboard")
    if isinstance(dashboard, dict) and "panels" not in dashboard:
        yield "shape", "has no panels; export it with the classic schema"


def told(part: Any) -> Any:
    """Return a dashboard without what is null."""
    if isinstance(part, dict):
        return {key: told(value) for key, value in part.items() if value is not None}
    if isinstance(part, list):
        return [told(value) for value in part if value is not None]
    return part


def _problems(part: Any, shape: Shape, where: str) -> Iterator[Problem]:
    if isinstance(shape, list):
        if not isinstance(part, list):
            yield _wrong(where, part, "a list")
            return
        for number, one in enumerate(part):
            yield from _problems(one, shape[0], f"{where}[{number}]")
    elif isinstance(shape, str):
        kinds = {NUMBER: (int, float), TEXT: (str,), ANY: (dict,)}[shape]
        if not isinstance(part, kinds) or (shape == NUMBER and isinstance(part, bool)):
            yield _wrong(where, part, shape)
    elif not isinstance(part, dict):
        yield _wrong(where, part, ANY)
    else:
        for key, below in shape.items():
            if key in part:
                yield from _problems(part[key], below, key if where == "the dashboard" else f"{where}.{key}")


def _wrong(where: str, part: Any, wanted: str) -> Problem:
    return "shape", f"has {part!r:.40} at {where}, where Grafana has {wanted}; export it anew"
