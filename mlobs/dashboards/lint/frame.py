"""Rules about a dashboard as a whole: what stands around its panels, and how they stand together."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from mlobs.dashboards.layout import COLUMNS, panels
from mlobs.dashboards.lint.findings import Problem
from mlobs.dashboards.lint.syntax import parse
from mlobs.dashboards.panels import BLUE, GREEN, ORANGE, RED, Json
from mlobs.dashboards.queries import VARIABLES
from mlobs.errors import DataError

OPEN_PANELS_MAX = 30
UID_MAX = 40
PALETTE = frozenset({GREEN, ORANGE, RED, BLUE, "yellow", "purple", "text", "transparent"})
COLOUR_KEYS = frozenset({"color", "fixedColor", "iconColor"})
USED = re.compile(r"\$(?:{(\w+)(?:[.:][^}]*)?}|(\w+))|\[\[(\w+)(?::\w+)?\]\]")
LABEL_VALUES = re.compile(r"label_values\(\s*(.*)\s*,\s*[A-Za-z_]\w*\s*\)", re.DOTALL)
INNER = ("__", "timeFilter", "timeTo", "timeFrom")


def problems(dashboard: Json, variables: Sequence[Json]) -> Iterator[tuple[str, Problem]]:
    """Yield what is wrong with a dashboard, each with the title of what it is about."""
    yield from (("", problem) for problem in _frame(dashboard))
    yield from _templates(variables)
    yield from _placed(dashboard)
    yield from (("", problem) for problem in _colours(dashboard))
    yield from (("", problem) for problem in _variables(dashboard, variables))


def _frame(dashboard: Json) -> Iterator[Problem]:
    uid = str(dashboard.get("uid") or "")
    if not re.fullmatch(rf"[A-Za-z0-9_-]{{1,{UID_MAX}}}", uid):
        yield "uid", f"has no uid of at most {UID_MAX} letters, digits, - and _; links to it would break"
    if "__inputs" in dashboard or dashboard.get("id") is not None:
        yield "portable", "has __inputs or an id, which file provisioning cannot resolve; remove them"
    if dashboard.get("graphTooltip") != 1:
        yield "crosshair", "has no shared crosshair; set graphTooltip to 1"
    if dashboard.get("editable", True):
        yield (
            "uneditable-dashboard",
            "is editable; what somebody changes is lost when it is provisioned again",
        )


def _templates(variables: Sequence[Json]) -> Iterator[tuple[str, Problem]]:
    if not variables or variables[0].get("type") != "datasource":
        yield (
            "",
            (
                "template-datasource",
                "does not begin its variables with the data source; it would be empty elsewhere",
            ),
        )
    names = [str(one.get("name", "")) for one in variables]
    for wanted in ("job", "instance"):
        if wanted not in names:
            yield "", (f"template-{wanted}", f"has no variable {wanted}")
    for one in variables:
        if one.get("type") != "query":
            continue
        name = str(one.get("name", ""))
        if one.get("refresh") != 2:
            yield (
                name,
                (
                    "template-on-time-change-reload",
                    "is not asked again when the time range changes; set refresh to 2",
                ),
            )
        asked = LABEL_VALUES.fullmatch(_query(one).strip())
        if asked:
            try:
                parse(asked.group(1), names)
            except DataError as error:
                yield name, ("template-label-promql", f"asks for values of what is not PromQL: {error}")


def _query(variable: Json) -> str:
    query = variable.get("query")
    return str(query.get("query", "") if isinstance(query, dict) else query or "")


def _placed(dashboard: Json) -> Iterator[tuple[str, Problem]]:
    placed = list(panels(dashboard))
    rows = [panel for panel in dashboard["panels"] if panel.get("type") == "row"]
    for id_, times in Counter(panel.get("id") for panel in [*placed, *rows]).items():
        if times > 1 and id_ is not None:
            yield "", ("panel-ids", f"gives {times} panels the id {id_}; number them anew")
    for title, times in Counter(str(panel.get("title", "")) for panel in placed).items():
        if times > 1 and title:
            yield title, ("panel-titles", f"is the title of {times} panels; nobody can say which is meant")
    if sum(panel.get("type") != "row" for panel in dashboard["panels"]) > OPEN_PANELS_MAX:
        yield (
            "",
            ("panel-count", f"has over {OPEN_PANELS_MAX} open panels; close a row, or make two dashboards"),
        )
    yield from _empty_rows(dashboard["panels"])
    for panel in placed:
        position = _position(panel)
        if position["x"] + position["w"] > COLUMNS:
            yield str(panel.get("title", "")), ("layout-width", f"reaches beyond column {COLUMNS}")
    # A closed row is not as high as its panels, so those are held against each other only.
    for group in (dashboard["panels"], *(row.get("panels") or [] for row in rows)):
        for one, other in combinations(group, 2):
            if _overlap(_position(one), _position(other)):
                title = str(other.get("title", ""))
                yield (
                    str(one.get("title", "")),
                    ("layout-overlap", f"lies over the panel {title!r}; move one of them"),
                )


def _empty_rows(placed: Sequence[Json]) -> Iterator[tuple[str, Problem]]:
    ordered = sorted(placed, key=lambda panel: (_position(panel)["y"], _position(panel)["x"]))
    for index, panel in enumerate(ordered):
        if panel.get("type") != "row" or panel.get("panels"):
            continue
        after = ordered[index + 1] if index + 1 < len(ordered) else {"type": "row"}
        if after.get("type") == "row":
            yield str(panel.get("title", "")), ("row-empty", "is a row without a panel; remove it")


def _position(panel: Json) -> dict[str, int]:
    found = panel.get("gridPos")
    found = found if isinstance(found, dict) else {}
    return {key: int(found.get(key) or 0) for key in ("x", "y", "w", "h")}


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def _colours(dashboard: Json) -> Iterator[Problem]:
    for colour in sorted(set(_coloured(dashboard)) - PALETTE):
        yield "colours", f"has the colour {colour!r}; take one of {', '.join(sorted(PALETTE))}"


def _coloured(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key in COLOUR_KEYS and isinstance(value, str):
                yield value
            else:
                yield from _coloured(value)
    elif isinstance(part, list):
        for one in part:
            yield from _coloured(one)


def _variables(dashboard: Json, variables: Sequence[Json]) -> Iterator[Problem]:
    there = {str(one.get("name", "")): one for one in variables}
    body = {key: value for key, value in dashboard.items() if key != "templating"}
    used = set(_used(json.dumps(body)))
    asked = {name for one in variables for name in _used(json.dumps(one.get("query", "")))}
    for name in sorted((used | asked) - set(there)):
        if not name.startswith(INNER) and not name.isdigit():
            yield "variables-known", f"uses the variable {name}, which it does not have"
    for name in sorted(set(there) - used - asked):
        # Those that all dashboards share are there for links to carry.
        if there[name].get("type") != "adhoc" and name not in VARIABLES:
            yield "variables-used", f"has the variable {name} and does not use it"


def _used(text: str) -> Iterator[str]:
    for names in USED.findall(text):
        yield next(name for name in names if name)
