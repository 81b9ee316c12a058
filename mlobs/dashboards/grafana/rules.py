"""The alert rules that Grafana itself evaluates, and what becomes of them.

They come as the text of the provisioning file and are turned into what the API takes, which
spells some fields differently. They are written group by group: whatever others have added to
one of our groups is sent along as it was, since what is not sent is removed.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlobs._extras import require
from mlobs.dashboards.grafana import marks
from mlobs.dashboards.grafana.changes import Change, Field, Step, change, differences, exact_differences
from mlobs.dashboards.grafana.client import Grafana
from mlobs.dashboards.panels import Json
from mlobs.errors import ServerError

SPELLINGS = {  # In the file -> in the API.
    "keepFiringFor": "keep_firing_for",
    "missing_series_evals_to_resolve": "missingSeriesEvalsToResolve",
}
LENGTHS = ("for", "keep_firing_for")
YOURS = ("isPaused", "notification_settings")  # Whoever sets them in Grafana keeps them.
READ_ONLY = ("id", "updated", "provenance")
LINK_PREFIX = "__"  # Annotations by which Grafana links a rule to a panel.
_UNIT_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_LENGTH = re.compile(r"(\d+)(ms|[smhdwy])")


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other."""

    name: str
    interval_s: int
    rules: tuple[Json, ...]


def read_groups(text: str) -> list[Group]:
    """Return the groups of a provisioning file, as the API takes them."""
    yaml = require("yaml", extra="grafana", feature="Pushing alert rules")
    return [
        Group(group["name"], int(seconds(group["interval"])), tuple(map(_rule, group["rules"])))
        for group in yaml.safe_load(text)["groups"]
    ]


def data_source(groups: Sequence[Group]) -> set[str]:
    """Return the uids of the data sources that the rules ask."""
    asked = {step["datasourceUid"] for group in groups for rule in group.rules for step in rule["data"]}
    return asked - {"__expr__"}


def seconds(length: Any) -> float:
    """Return a length of time as Prometheus and Grafana write it.

    >>> seconds("1h30m"), seconds("5m0s"), seconds("0")
    (5400.0, 300.0, 0.0)
    """
    return float(sum(int(number) * _UNIT_S[unit] for number, unit in _LENGTH.findall(str(length))))


def plan_groups(grafana: Grafana, groups: Sequence[Group], folder: str) -> list[Step]:
    """Return how each group comes to be what it is here.

    Raises:
        ServerError: A rule of ours is somebody else's, or only Grafana's own files may change it.
    """
    if not groups:
        return []
    there = _all(grafana)
    return [_plan(grafana, group, folder, there, _uids(groups)) for group in groups]


def plan_rule_removals(grafana: Grafana, groups: Sequence[Group]) -> Iterator[Step]:
    """Yield how rules go that were brought by us and are no longer here."""
    kept = _uids(groups)
    for uid, rule in _all(grafana).items():
        ours = marks.is_our_rule(rule) and rule.get("provenance") in marks.EDITABLE
        if ours and uid not in kept:
            yield Step(
                (Change("alert rule", uid, str(rule.get("title", uid)), "remove"),), _removal(grafana, uid)
            )


def _uids(groups: Sequence[Group]) -> set[str]:
    return {rule["uid"] for group in groups for rule in group.rules}


def _rule(written: Mapping[str, Any]) -> Json:
    rule = {SPELLINGS.get(key, key): value for key, value in written.items()}
    # In the file a $ of a label is doubled, because the file's variables are filled in.
    labels = {name: str(value).replace("$$", "$") for name, value in (rule.get("labels") or {}).items()}
    name, value = marks.MANAGED_LABEL
    return {**rule, "labels": {**labels, name: value}}


def _all(grafana: Grafana) -> dict[str, Json]:
    rules: list[Json] = grafana.ask(
        lambda api: api.alertingprovisioning.get_alertrules_all(),
        "list the alert rules",
        role=marks.ALERTING,
        kind=list,
    )
    return {str(rule["uid"]): rule for rule in rules}


def _plan(
    grafana: Grafana, group: Group, folder: str, there: Mapping[str, Json], everywhere: set[str]
) -> Step:
    found = grafana.found(
        lambda api: api.alertingprovisioning.get_rule_group(folder, group.name),
        f"read the group {group.name!r} of alert rules",
        role=marks.ALERTING,
    )
    ours = {rule["uid"] for rule in group.rules}
    others = [rule for rule in (found or {}).get("rules") or () if rule["uid"] not in ours]
    for rule in (*(there[uid] for uid in ours if uid in there), *others):
        _check(grafana, there.get(rule["uid"], rule), group.name, ours)
    changes = tuple(
        _change(rule, there[rule["uid"]], group.name, folder)
        if rule["uid"] in there
        else Change("alert rule", rule["uid"], rule["title"], "create")
        for rule in group.rules
    )
    if found and found.get("rules") and found.get("interval") != group.interval_s:
        changes = (_interval(found, group), *changes)
    if all(one.action == "keep" for one in changes):
        return Step(changes)
    # Ours that move from here to another group are left out; the others stay as they are.
    body = _body(group, folder, there, [rule for rule in others if rule["uid"] not in everywhere])
    return Step(changes, lambda: _save(grafana, group.name, folder, body))


def _check(grafana: Grafana, rule: Json, group: str, ours: set[str]) -> None:
    uid, provenance = rule["uid"], rule.get("provenance")
    if uid in ours and provenance not in marks.EDITABLE:
        raise ServerError(
            f"The alert rule {uid!r} in the Grafana at {grafana.url} was made by other means "
            f"({provenance}), which alone may change it. Take it out there, or leave --alerts out here."
        )
    if uid in ours and not marks.is_our_rule(rule):
        name, value = marks.MANAGED_LABEL
        raise ServerError(
            f"The Grafana at {grafana.url} has an alert rule {rule.get('title')!r} with the uid {uid!r} and "
            f"without the label {name}={value}, so it is not ours to change. Remove it, or label it so."
        )
    if uid not in ours and provenance:
        raise ServerError(
            f"The group {group!r} in the Grafana at {grafana.url} has a rule {rule.get('title')!r} that was "
            f"made by other means ({provenance}) and would lose its protection. Move it to another group."
        )


def _change(ours: Json, theirs: Json, group: str, folder: str) -> Change:
    return change("alert rule", ours["uid"], ours["title"], _fields(ours, theirs, group, folder))


def _fields(ours: Json, theirs: Json, group: str, folder: str) -> Iterator[Field]:
    yield from differences(
        {"folder": theirs.get("folderUID"), "group": theirs.get("ruleGroup")},
        {"folder": folder, "group": group},
    )
    knows_lately = "keep_firing_for" in theirs  # Releases that do not, drop it and what came with it.
    for key, value in ours.items():
        if key in YOURS or (key in SPELLINGS.values() and not knows_lately):
            continue
        if key in LENGTHS:
            if seconds(theirs.get(key)) != seconds(value):
                yield Field(key, theirs.get(key), value)
        elif key in ("labels", "annotations"):
            told = {name: text for name, text in (theirs.get(key) or {}).items() if _is_text(name)}
            yield from exact_differences(told, value, key)
        else:
            yield from differences({key: theirs.get(key)}, {key: value})


def _is_text(annotation: str) -> bool:
    return not annotation.startswith(LINK_PREFIX)


def _interval(found: Json, group: Group) -> Change:
    field = Field("interval", found.get("interval"), group.interval_s)
    return Change("alert rule", group.name, f"the group {group.name}", "update", (field,))


def _body(group: Group, folder: str, there: Mapping[str, Json], others: Sequence[Json]) -> Json:
    rules = [*(_merged(rule, there.get(rule["uid"])) for rule in group.rules), *others]
    placed = {"folderUID": folder, "ruleGroup": group.name}
    return {
        "title": group.name,
        "folderUid": folder,
        "interval": group.interval_s,
        "rules": [{**_without(rule, READ_ONLY), **placed} for rule in rules],
    }


def _merged(ours: Json, theirs: Json | None) -> Json:
    if theirs is None:
        return {**ours, "orgID": 1}  # Required, and replaced by the token's own organisation.
    yours = {key: theirs[key] for key in YOURS if theirs.get(key) is not None}
    links = {name: text for name, text in (theirs.get("annotations") or {}).items() if not _is_text(name)}
    return {**theirs, **ours, **yours, "annotations": {**ours["annotations"], **links}}


def _without(rule: Mapping[str, Any], keys: Sequence[str]) -> Json:
    return {key: value for key, value in rule.items() if key not in keys}


def _save(grafana: Grafana, group: str, folder: str, body: Json) -> Any:
    return grafana.ask(
        lambda api: api.alertingprovisioning.update_rule_group(folder, group, body, disable_provenance=True),
        f"save the group {group!r} of alert rules",
        role=marks.ALERTING,
    )


def _removal(grafana: Grafana, uid: str) -> Callable[[], object]:
    return lambda: grafana.found(
        lambda api: api.alertingprovisioning.delete_alertrule(uid),
        f"remove the alert rule {uid!r}",
        role=marks.ALERTING,
    )
