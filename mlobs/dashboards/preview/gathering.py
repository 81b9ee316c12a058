"""Asks for everything a dashboard shows: variables in their order, panels, annotations.

What one panel is refused is that panel's matter: the others are asked all the same.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from mlobs.dashboards.layout import COLUMNS, panels
from mlobs.dashboards.preview.choices import Choice, builtins, choose, interpolated
from mlobs.dashboards.preview.dots import Dot, thinned
from mlobs.dashboards.preview.frames import (
    Frame,
    as_series,
    named,
    number,
    of_matrix,
    of_rows,
    of_vector,
    table_of_vector,
)
from mlobs.dashboards.preview.macros import conditional, expand
from mlobs.dashboards.preview.marks import Mark, marks
from mlobs.dashboards.preview.spans import Span, duration_s, of_panel, step_s
from mlobs.dashboards.sql.panels import PLUGIN as CLICKHOUSE
from mlobs.dashboards.traceql.panels import PLUGIN as TEMPO
from mlobs.errors import QueryError, SettingError

Json = Mapping[str, Any]
SqlRows = tuple[Sequence[tuple[str, str]], Sequence[Sequence[Any]]]
PROMETHEUS = "prometheus"
LABEL_VALUES = re.compile(r"label_values\(\s*(?:(?P<selector>.*),)?\s*(?P<label>\w+)\s*\)", re.DOTALL)
QUERY_RESULT = re.compile(r"query_result\((?P<expr>.*)\)", re.DOTALL)
POINTS_MAX = 1_000
TABLE_FORMAT = 1


class AsksPrometheus(Protocol):
    """What a Prometheus is asked."""

    def scrape_s(self) -> float:
        """Return how many seconds lie between two scrapes."""

    def range(self, expr: str, span: Span, step_s: float) -> Sequence[Json]:
        """Return the series of a query over time."""

    def instant(self, expr: str, at_s: float) -> Sequence[Json]:
        """Return the series of a query at one moment."""

    def label_values(self, label: str, selector: str, span: Span) -> Sequence[str]:
        """Return the values of a label."""

    def exemplars(self, expr: str, span: Span) -> Sequence[Json]:
        """Return the exemplars of the series a query reads."""


class AsksClickHouse(Protocol):
    """What a ClickHouse is asked."""

    def rows(self, sql: str) -> SqlRows:
        """Return the columns, with their types, and the rows of a statement."""


@dataclass(slots=True)
class Answer:
    """What a panel shows.

    Args:
        step_s: Seconds between two points.
        span: What it shows: the page's, or its own.
        frames: Of all its queries.
        dots: Its exemplars.
        problems: Sentences of what was refused.
        notes: Sentences of what was not asked, and why.
        values: The variables, those that depend on the panel too.
    """

    step_s: float
    span: Span
    frames: list[Frame] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    values: Mapping[str, Choice] = field(default_factory=dict)


@dataclass(slots=True)
class Gathered:
    """Everything a page shows."""

    span: Span
    choices: dict[str, Choice]
    answers: dict[Any, Answer]
    marks: list[Mark]
    problems: list[str]


class Gatherer:
    """Asks for dashboards.

    Args:
        prometheus: Whom PromQL goes to.
        clickhouse: Whom SQL goes to; None if no address was given.
        span: What is shown.
        width: Of the page, in pixels: what fits into a graph is asked for.
    """

    def __init__(
        self, prometheus: AsksPrometheus, clickhouse: AsksClickHouse | None, span: Span, width: int
    ) -> None:
        self._prometheus = prometheus
        self._clickhouse = clickhouse
        self._span = span
        self._width = width
        self._scrape_s = prometheus.scrape_s()

    def gather(
        self,
        dashboard: Json,
        chosen: Mapping[str, Sequence[str]],
        told: Callable[[str], None],
    ) -> Gathered:
        """Return everything a dashboard shows.

        Args:
            dashboard: In the classic form.
            chosen: Values of variables, by name; the rest is at its default.
            told: Is told what is asked for, before it is.
        """
        problems: list[str] = []
        choices = self._choices(dashboard, chosen, problems)
        answers = {}
        for panel in panels(dashboard):
            told(f"asking for {dashboard.get('title')}: {panel.get('title', '')}")
            answers[panel.get("id")] = self._answer(panel, choices)
        notes = (dashboard.get("annotations") or {}).get("list") or ()
        found = [self._marks(note, choices, problems) for note in notes]
        return Gathered(self._span, choices, answers, [m for some in found for m in some], problems)

    def _choices(
        self, dashboard: Json, chosen: Mapping[str, Sequence[str]], problems: list[str]
    ) -> dict[str, Choice]:
        choices = builtins(self._span, step_s(self._span, POINTS_MAX, self._scrape_s), self._scrape_s)
        for variable in (dashboard.get("templating") or {}).get("list") or ():
            name = str(variable.get("name"))
            if variable.get("type") == "adhoc":
                continue  # Adds matchers to queries, and is in none.
            try:
                options = self._options(variable, choices)
            except QueryError as error:
                problems.append(f"Variable {name}: {error}")
                options = []
            choices[name] = choose(variable, options, chosen.get(name))
        return choices

    def _options(self, variable: Json, choices: Mapping[str, Choice]) -> Sequence[str]:
        kind, query = variable.get("type"), variable.get("query")
        if kind == "datasource":
            return [str(variable.get("query", ""))]
        if kind in {"custom", "interval"}:
            return [part.split(" : ")[-1].strip() for part in str(query or "").split(",") if part.strip()]
        if kind in {"constant", "textbox"}:
            return [str(query or "")]
        if kind != "query":
            return []
        if (isinstance(query, dict) and "rawSql" in query) or _kind(variable, {}) == CLICKHOUSE:
            sql = query.get("rawSql", "") if isinstance(query, dict) else str(query)
            if self._clickhouse is None:
                return []
            _, rows = self._clickhouse.rows(self._sql(sql, choices, self._span, 60.0))
            return _distinct([row[0] for row in rows if row], variable)
        written = query.get("query", "") if isinstance(query, dict) else str(query or "")
        return _distinct(self._promql_options(interpolated(written, choices, "promql")), variable)

    def _promql_options(self, query: str) -> Sequence[str]:
        if found := LABEL_VALUES.fullmatch(query.strip()):
            return self._prometheus.label_values(found["label"], found["selector"] or "", self._span)
        if found := QUERY_RESULT.fullmatch(query.strip()):
            series = self._prometheus.instant(found["expr"], self._span.end_s)
            return [f"{named(one['metric'], '')} {one['value'][1]}" for one in series]
        if not query.strip():
            return []
        raise QueryError(
            f"{query[:80]!r} is no label_values(…) or query_result(…), which is all that is read."
        )

    def _answer(self, panel: Json, choices: Mapping[str, Choice]) -> Answer:
        width = self._width * int((panel.get("gridPos") or {}).get("w", COLUMNS)) // COLUMNS
        span, problems = self._span, []
        try:
            span = of_panel(self._span, str(panel["timeFrom"])) if panel.get("timeFrom") else self._span
        except SettingError as error:
            problems.append(f"Time range: {error}")
        least = max(duration_s(str(panel.get("interval") or "")), self._scrape_s)
        step = step_s(span, min(int(panel.get("maxDataPoints") or width), POINTS_MAX), least)
        values = {**choices, **builtins(span, step, self._scrape_s)}
        answer = Answer(step, span, problems=problems, values=values)
        targets = [target for target in panel.get("targets") or () if not target.get("hide")]
        for target in targets:
            try:
                self._ask(panel, target, answer, alone=len(targets) == 1)
            except QueryError as error:
                answer.problems.append(f"Query {target.get('refId', '')}: {error}")
        return answer

    def _ask(self, panel: Json, target: Json, answer: Answer, *, alone: bool) -> None:
        kind = _kind(target, panel)
        if kind == CLICKHOUSE:
            self._ask_sql(panel, target, answer)
        elif kind == PROMETHEUS and target.get("expr"):
            self._ask_promql(panel, target, answer, alone=alone)
        elif kind == TEMPO:
            _note(answer, "TraceQL: no Tempo was asked. Grafana asks it when the dashboard is opened there.")
        else:
            _note(answer, f"The preview asks Prometheus and ClickHouse; this panel asks {kind or 'nobody'}.")

    def _ask_promql(self, panel: Json, target: Json, answer: Answer, *, alone: bool) -> None:
        ref, legend = str(target.get("refId", "A")), str(target.get("legendFormat") or "")
        expr = interpolated(str(target["expr"]), answer.values, "promql")
        legend = interpolated(legend, answer.values)
        if target.get("instant") and not target.get("range"):
            series = self._prometheus.instant(expr, answer.span.end_s)
            if target.get("format") == "table" and series:
                answer.frames.append(table_of_vector(series, ref, alone=alone))
            else:
                answer.frames += of_vector(series, ref, legend)
            return
        matrix = self._prometheus.range(expr, answer.span, answer.step_s)
        if target.get("format") == "heatmap":
            matrix = apart(matrix)
            legend = legend or "{{le}}"
        answer.frames += of_matrix(matrix, ref, legend, answer.step_s)
        if target.get("exemplar"):
            told = [
                one
                for found in self._prometheus.exemplars(expr, answer.span)
                for one in found.get("exemplars") or ()
            ]
            dots = [
                Dot(float(one["timestamp"]), value, one.get("labels") or {})
                for one in told
                if (value := number(one.get("value"))) is not None
            ]
            answer.dots += thinned(dots, answer.step_s)

    def _ask_sql(self, panel: Json, target: Json, answer: Answer) -> None:
        if self._clickhouse is None:
            _note(answer, "SQL: no ClickHouse was asked. Give a server's address with --clickhouse URL.")
            return
        sql = self._sql(str(target.get("rawSql") or ""), answer.values, answer.span, answer.step_s)
        table = of_rows(*self._clickhouse.rows(sql), str(target.get("refId", "A")))
        is_series = target.get("format", TABLE_FORMAT) in (0, "time_series", "timeseries")
        answer.frames += as_series(table) if is_series else [table]

    def _sql(self, sql: str, values: Mapping[str, Choice], span: Span, interval_s: float) -> str:
        free = {name for name, choice in values.items() if choice.is_free}
        filled = interpolated(conditional(sql, free), values, "sql")
        return expand(filled, span, interval_s)

    def _marks(self, note: Json, choices: Mapping[str, Choice], problems: list[str]) -> list[Mark]:
        if not note.get("enable", True) or not note.get("expr"):
            return []
        expr = interpolated(str(note["expr"]), choices, "promql")
        step = max(duration_s(str(note.get("step") or "")), step_s(self._span, POINTS_MAX, self._scrape_s))
        try:
            return marks(note, self._prometheus.range(expr, self._span, step), step, self._span)
        except QueryError as error:
            problems.append(f"Annotation {note.get('name')}: {error}")
            return []


def apart(matrix: Sequence[Json]) -> list[Json]:
    """Return the buckets of a histogram each without those below it, the lowest bound first."""

    def bound(series: Json) -> float:
        found = number(series["metric"].get("le"))
        return float("inf") if found is None else found

    below: dict[Any, float] = {}
    made: list[Json] = []
    for series in sorted(matrix, key=bound):
        values = []
        for at, value in series.get("values", ()):
            count = number(value)
            if count is not None:
                values.append([at, max(count - below.get(at, 0.0), 0.0)])
                below[at] = count
        made.append({"metric": series["metric"], "values": values})
    return made


def _kind(target: Json, panel: Json) -> str:
    for given in (target.get("datasource"), panel.get("datasource")):
        kind = given.get("type") if isinstance(given, dict) else None
        if kind and kind not in {"datasource", "mixed"}:
            return str(kind)
    return PROMETHEUS if target.get("expr") else CLICKHOUSE if target.get("rawSql") else ""


def _note(answer: Answer, sentence: str) -> None:
    if sentence not in answer.notes:
        answer.notes.append(sentence)


def _distinct(values: Sequence[Any], variable: Json) -> list[str]:
    given = str(variable.get("regex") or "")
    found = dict.fromkeys(str(value) for value in values if value is not None)
    if pattern := re.fullmatch(r"/(.*)/\w*", given):
        kept: dict[str, None] = {}
        try:
            matched = [(value, re.search(pattern[1], value)) for value in found]
        except re.error as error:
            raise QueryError(f"its regex {given[:60]!r} cannot be read: {error}.") from None
        for value, match in matched:
            if match:
                kept[match[1] if match.groups() else value] = None
        found = kept
    return sorted(found) if variable.get("sort") else list(found)
