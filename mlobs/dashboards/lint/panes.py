"""Rules about one panel: what it says, and what it asks."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlobs.dashboards.lint import logql, promql, sql, traceql
from mlobs.dashboards.lint.findings import Problem
from mlobs.dashboards.lint.syntax import parse
from mlobs.dashboards.lint.units import fits, measured
from mlobs.dashboards.panels import Json
from mlobs.errors import DataError

# Kinds that show no number and ask nothing.
WORDS = frozenset({"text", "row", "alertlist", "dashlist", "news", "welcome"})
UNITLESS = WORDS | {"logs", "traces", "nodeGraph"}
LINES = frozenset({"timeseries", "state-timeline", "bargauge"})
DOTS = frozenset({"timeseries", "heatmap"})  # what can show an exemplar
LEGEND_LABEL = re.compile(r"{{\s*(\w+)\s*}}")
LINKED_LABEL = re.compile(r"\${__(?:field\.labels|data\.fields)\.([A-Za-z_]\w*)(?::\w+)?}")
LINKED_BOARD = re.compile(r"^/?d/([A-Za-z0-9_-]+)")
LINKED_VARIABLE = re.compile(r"[?&]var-([A-Za-z]\w*)=")


def targets(panel: Json, kind: str) -> list[Json]:
    """Return the queries of a panel for one kind of data source; unnamed ones are Prometheus's."""
    return [
        target
        for target in panel.get("targets") or ()
        if isinstance(target.get("expr"), str) and plugin(target, panel) == kind
    ]


def plugin(target: Json, panel: Json) -> str:
    """Return the kind of data source a query goes to."""
    for place in (target, panel):
        source = place.get("datasource")
        if isinstance(source, dict) and source.get("type"):
            return str(source["type"])
    return "prometheus"


def problems(panel: Json, variables: Sequence[str]) -> Iterator[Problem]:
    """Yield what is wrong with a panel by itself."""
    kind = panel.get("type", "")
    yield from _said(panel)
    if kind not in WORDS:
        if not panel.get("targets") and "libraryPanel" not in panel:
            yield "panel-no-targets", "asks nothing; give it a query"
        yield from _source(panel)
    if kind not in UNITLESS and not _defaults(panel).get("unit") and "libraryPanel" not in panel:
        yield "panel-units", "has no unit; a bare number can be anything"
    yield from _range(panel)
    for target in targets(panel, "prometheus"):
        yield from promql.problems(target["expr"], variables)
        yield from promql.job_and_instance(target["expr"], variables)
        yield from _shown(panel, target, variables)
        yield from _legend(panel, target, variables)
    for target in targets(panel, "loki"):
        yield from logql.problems(target["expr"])
    for target in panel.get("targets") or ():
        if isinstance(target.get("rawSql"), str):
            yield from sql.problems(target["rawSql"], variables)
        if plugin(target, panel) == "tempo" and target.get("queryType") == "traceql":
            yield from traceql.problems(str(target.get("query") or ""))
    yield from _together(panel, variables)


def links(panel: Json, variables: Sequence[str], boards: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    """Yield what is wrong with a panel's links: no such board, no such choice there, no such label."""
    asked = [promql.labels_left(target["expr"], variables) for target in targets(panel, "prometheus")]
    told: frozenset[str] = frozenset().union(*(labels for labels in asked if labels is not None))
    sure = bool(asked) and None not in asked
    for link in _links(panel):
        url = str(link.get("url", ""))
        board = LINKED_BOARD.match(url)
        if board and board.group(1) not in boards:
            yield "links-known", f"leads to the dashboard {board.group(1)}, which is not there"
        elif board:
            for name in LINKED_VARIABLE.findall(url):
                if boards[board.group(1)] and name not in boards[board.group(1)]:
                    yield "links-known", f"chooses {name} on {board.group(1)}, which has no such variable"
        for label in LINKED_LABEL.findall(url):
            if sure and label not in told:
                yield "links-labels", f"links by the label {label}, which none of its series has"


def _defaults(panel: Json) -> Json:
    found = (panel.get("fieldConfig") or {}).get("defaults")
    return found if isinstance(found, dict) else {}


def _stacked(panel: Json) -> bool:
    custom = _defaults(panel).get("custom")
    stacking = custom.get("stacking") if isinstance(custom, dict) else None
    return isinstance(stacking, dict) and stacking.get("mode", "none") != "none"


def _said(panel: Json) -> Iterator[Problem]:
    for part, word in (("title", "title"), ("description", "description")):
        if not panel.get(part):
            yield "panel-title-description", f"has no {word}; say what it shows and what to do"
    said = str(panel.get("description") or "")
    if said and not said.endswith("."):
        yield "description-sentence", "has a description that does not end with a full stop"


def _source(panel: Json) -> Iterator[Problem]:
    for place in (panel, *(panel.get("targets") or ())):
        source = place.get("datasource")
        uid = source.get("uid") if isinstance(source, dict) else source
        if uid is not None and not re.match(r"\$|--|__expr__", str(uid)):
            yield (
                "panel-datasource",
                f"names the data source {uid!r}; take the one of a variable, ${{datasource}}",
            )
    if panel.get("datasource") is None and not all(
        target.get("datasource") for target in panel.get("targets") or ()
    ):
        yield "panel-datasource", "has no data source; take the one of a variable, ${datasource}"


def _range(panel: Json) -> Iterator[Problem]:
    defaults = _defaults(panel)
    least, most = defaults.get("min"), defaults.get("max")
    if most is not None and (least is None or least >= most):
        yield "range-sane", "has a largest value and no smaller smallest one"
    if defaults.get("unit") == "percent" and defaults.get("max") == 1:
        yield "range-sane", "ends at 1%; a share from 0 to 1 has the unit percentunit"


def _shown(panel: Json, target: Json, variables: Sequence[str]) -> Iterator[Problem]:
    if panel.get("type") == "heatmap":
        return  # Its unit is that of the buckets' bounds.
    units = _units(panel, target)
    try:
        counted = measured(parse(target["expr"], variables))
    except DataError:
        return
    for unit in units:
        if not fits(unit, counted):
            yield "unit-fits", f"has the unit {unit!r} and asks for {counted!r}"


def _units(panel: Json, target: Json) -> list[str]:
    """Return the unit of a query's numbers: that of the panel, or of its column in a table."""
    named = [
        str(prop["value"])
        for override in (panel.get("fieldConfig") or {}).get("overrides") or ()
        if (override.get("matcher") or {}).get("options") == target.get("legendFormat")
        for prop in override.get("properties") or ()
        if prop.get("id") == "unit" and prop.get("value")
    ]
    return named or [unit for unit in [_defaults(panel).get("unit")] if unit]


def _legend(panel: Json, target: Json, variables: Sequence[str]) -> Iterator[Problem]:
    legend = str(target.get("legendFormat") or "")
    if not legend or legend == "__auto":
        yield "legend", "has a query without a legend"
    labels = promql.labels_left(target["expr"], variables)
    for label in LEGEND_LABEL.findall(legend):
        if labels is not None and label not in labels:
            yield "legend", f"has the label {label} in a legend, which none of its series has"
    yield from _exemplars(panel, target)
    if panel.get("type") in LINES and promql.unlimited(target["expr"], variables):
        yield "series-count", "may have more lines than anybody can tell apart; put topk(12, ...) around it"
    if (_stacked(panel) or panel.get("type") == "state-timeline") and promql.restless(
        target["expr"], variables
    ):
        yield (
            "steady",
            "takes the largest anew at each moment, which leaves holes; add `and` a topk of the whole range",
        )


def _exemplars(panel: Json, target: Json) -> Iterator[Problem]:
    shows = panel.get("type") in DOTS
    if shows and "histogram_quantile" in target["expr"] and not target.get("exemplar"):
        yield "exemplars", "shows a percentile without the traces behind it; set exemplar"
    if not shows and target.get("exemplar"):
        yield "exemplars", f"asks for traces that a {panel.get('type')} cannot show; set exemplar to false"


def _together(panel: Json, variables: Sequence[str]) -> Iterator[Problem]:
    asked = [str(target["expr"]) for target in targets(panel, "prometheus")]
    percentiles = any("histogram_quantile" in expr for expr in asked)
    if percentiles and any(promql.is_mean(expr, variables) for expr in asked):
        yield "mean-beside-quantiles", "has a mean beside percentiles; a mean hides what they show"


def _links(panel: Json) -> Iterator[Json]:
    yield from (link for link in panel.get("links") or () if isinstance(link, dict))
    yield from _defaults(panel).get("links") or ()
    for override in (panel.get("fieldConfig") or {}).get("overrides") or ():
        for prop in override.get("properties") or ():
            if prop.get("id") == "links":
                yield from _list(prop.get("value"))


def _list(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
