"""Metrics of calls, derived in the process that makes them. Edge: OpenTelemetry's metrics API.

The names, units, buckets and labels are those that the server and the collector derive from spans,
so that dashboards and rules do not care who did; this is for programs that have neither. It runs on
the export thread. What is emitted goes where the process's MeterProvider sends it.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from opentelemetry import metrics
from opentelemetry.context import Context
from opentelemetry.trace import set_span_in_context

from mlobs import _guard
from mlobs.instrument.calls import Call
from mlobs.instrument.describe import known
from mlobs.semconv import attributes as a
from mlobs.semconv.attributes import ATTRIBUTES
from mlobs.semconv.metrics import AGENT_INFERENCE_CALLS, AGENT_TOOL_CALLS, DERIVED
from mlobs.semconv.rows import Metric
from mlobs.semconv.spans import PREDICT

log = logging.getLogger("mlobs")

SERIES_MAX = 1_000  # of one metric
RUNS_MAX = 10_000  # of agents that are under way
OVERFLOW = "__overflow__"
_BY_COLUMN = {row.column: row.name for row in ATTRIBUTES if row.column}
_CONSTANT = {a.TOKEN_MODALITY: "unknown"}  # no span has it, and the server says so too
_COUNTED = {"llm": 0, "tool": 1}


class Measures:
    """Derives metrics from finished calls.

    Args:
        meter: Where they are emitted; that of the process's provider if None.
    """

    def __init__(self, meter: metrics.Meter | None = None) -> None:
        self._meter = meter or metrics.get_meter("mlobs")
        self._instruments = {
            metric: self._instrument(metric) for metric in (*DERIVED, AGENT_INFERENCE_CALLS, AGENT_TOOL_CALLS)
        }
        self._series: dict[Metric, dict[tuple[str, ...], dict[str, str]]] = {m: {} for m in self._instruments}
        self._warned: set[str] = set()
        self._runs: OrderedDict[tuple[int, str], list[int]] = OrderedDict()
        self._of_operation = {
            operation: [metric for metric in DERIVED if operation in metric.operations]
            for metric in DERIVED
            for operation in metric.operations
        }

    def record(self, calls: Iterable[Call]) -> None:
        """Take in finished calls. Does not raise."""
        day = datetime.now(UTC).date()
        for call in calls:
            try:
                self._record(call, {**call.site.attributes, **known(call, day)})
            except Exception:  # noqa: BLE001 # the export thread must live
                _guard.failed("deriving metrics")

    def _record(self, call: Call, known: Mapping[str, Any]) -> None:
        noun = call.site.row.noun
        operation = noun if noun == PREDICT.noun else str(known.get(a.OPERATION_NAME.name, ""))
        context = set_span_in_context(call, Context())  # an exemplar leads from a bucket to this call
        seconds = (call.ended_ns - call.started_ns) / 1e9
        for metric in self._of_operation.get(operation, ()):
            value = known.get(_BY_COLUMN[metric.measures]) if metric.measures else seconds
            if isinstance(value, int | float) and value >= 0:
                self._emit(metric, value, known, context)
        self._count(call, noun, known, context)

    def _count(self, call: Call, noun: str, known: Mapping[str, Any], context: Context) -> None:
        """Count model and tool calls of the run of an agent that they belong to."""
        if noun in _COUNTED and call.agent is not None:
            counts = self._runs.setdefault((call.trace_id, call.agent), [0, 0])
            counts[_COUNTED[noun]] += 1
            if len(self._runs) > RUNS_MAX:
                self._runs.popitem(last=False)
        elif noun == "agent" and call.site.agent is not None:
            inference, tools = self._runs.pop((call.trace_id, call.site.agent), (0, 0))
            self._emit(AGENT_INFERENCE_CALLS, inference, known, context)
            self._emit(AGENT_TOOL_CALLS, tools, known, context)

    def _emit(self, metric: Metric, value: float, known: Mapping[str, Any], context: Context) -> None:
        labels = self._labels(metric, known)
        instrument = self._instruments[metric]
        if metric.kind == "histogram":
            instrument.record(value, labels, context)
        else:
            instrument.add(value, labels, context)

    def _labels(self, metric: Metric, known: Mapping[str, Any]) -> dict[str, str]:
        """Return a metric's labels; from a number of series on, one that stands for the rest."""
        values = tuple(str(known.get(label.name, _CONSTANT.get(label, ""))) for label in metric.labels)
        series = self._series[metric]
        labels = series.get(values)
        if labels is None:
            if len(series) >= SERIES_MAX:
                return self._overflow(metric, known)
            named = zip(metric.labels, values, strict=True)
            labels = series[values] = {label.name: value for label, value in named if value}
        return labels

    def _overflow(self, metric: Metric, known: Mapping[str, Any]) -> dict[str, str]:
        if metric.name not in self._warned:
            self._warned.add(metric.name)
            numbers = [len({values[i] for values in self._series[metric]}) for i in range(len(metric.labels))]
            widest = metric.labels[numbers.index(max(numbers))].name
            log.warning(
                "%s has more than %d series; %s has %d values, is it an id? The rest is counted as %s.",
                metric.name, SERIES_MAX, widest, max(numbers), OVERFLOW,
            )  # fmt: skip
        operation = known.get(a.OPERATION_NAME.name)
        kept = (
            {a.OPERATION_NAME.name: str(operation)} if operation and a.OPERATION_NAME in metric.labels else {}
        )
        return {**{label.name: OVERFLOW for label in metric.labels}, **kept}

    def _instrument(self, metric: Metric) -> Any:
        if metric.kind == "histogram":
            return self._meter.create_histogram(
                metric.name,
                metric.unit,
                metric.about,
                explicit_bucket_boundaries_advisory=list(metric.buckets),
            )
        return self._meter.create_counter(metric.name, metric.unit, metric.about)
