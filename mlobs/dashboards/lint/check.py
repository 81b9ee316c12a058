"""Every rule on one dashboard, and for whom it is an error."""

from collections.abc import Iterator, Mapping, Sequence

from mlobs.dashboards.layout import panels
from mlobs.dashboards.links import PREFIX
from mlobs.dashboards.lint import frame, panes, promql, shape
from mlobs.dashboards.lint.findings import Finding, Level, Problem
from mlobs.dashboards.lint.rules import EXEMPT, RULES
from mlobs.dashboards.panels import Json

OURS = ("mlobs_", "mlobs:")  # gen_ai_ is of the conventions, which have more names than we emit


def check(
    dashboard: Json,
    boards: Mapping[str, frozenset[str]],
    exempt: Mapping[str, str] = EXEMPT,
) -> list[Finding]:
    """Return everything that is wrong with one dashboard of the classic form.

    Args:
        dashboard: Ours are those whose uid begins with mlobs-; some rules are only for them.
        boards: The variables of each dashboard that links may lead to, by uid.
        exempt: Rules that are not followed, each with the reason.
    """
    dashboard = shape.told(dashboard)
    uid = str(dashboard.get("uid", ""))
    wrong = [Finding(uid, "", rule, problem) for rule, problem in shape.problems(dashboard)]
    if wrong:
        return wrong  # The other rules could not look into it.
    found = []
    for about, (rule, problem) in _problems(dashboard, boards):
        level = _level(rule, problem, ours=uid.startswith(PREFIX))
        if level is not None and rule not in exempt:
            found.append(Finding(uid, about, rule, problem, level))
    return list(dict.fromkeys(found))


def choices(dashboards: Sequence[Json]) -> dict[str, frozenset[str]]:
    """Return the names of each dashboard's variables, by uid: what links may lead to, and choose there."""
    return {
        str(one.get("uid") or ""): frozenset(str(variable.get("name", "")) for variable in _templating(one))
        for one in dashboards
    }


def _problems(dashboard: Json, boards: Mapping[str, frozenset[str]]) -> Iterator[tuple[str, Problem]]:
    variables = _templating(dashboard)
    names = [str(one.get("name", "")) for one in variables]
    yield from frame.problems(dashboard, variables)
    for panel in panels(dashboard):
        title = str(panel.get("title") or "")
        for problem in panes.problems(panel, names):
            yield title, problem
        for problem in panes.links(panel, names, boards):
            yield title, problem
    for note in (dashboard.get("annotations") or {}).get("list") or ():
        if isinstance(note.get("expr"), str):
            for problem in promql.problems(note["expr"], names):
                yield str(note.get("name", "")), problem


def _templating(dashboard: Json) -> list[Json]:
    found = (dashboard.get("templating") or {}).get("list") or ()
    return [one for one in found if isinstance(one, dict)]


def _level(rule: str, problem: str, *, ours: bool) -> Level | None:
    """Return how bad a finding is in somebody's dashboard; None if the rule is only for our house."""
    binds = RULES[rule].of
    if ours or binds == "everybody":
        return "error"
    if binds == "house":
        return None
    if binds == "style":
        return "warning"
    # A name that begins like ours is a typo; any other may be their own.
    return "error" if any(f" {begin}" in problem for begin in OURS) else "warning"
