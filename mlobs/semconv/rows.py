"""The kinds of row that make up the vocabulary, and their Prometheus spelling.

A row says what a thing is called on the wire, what it means and in which unit it is counted. The rows
themselves are in `attributes`, `spans`, `events`, `metrics`, `judged`, `loss`, `foreign` and `recorded`.
"""

from dataclasses import dataclass
from typing import Literal

AttributeType = Literal["string", "int", "double", "boolean", "string[]", "any"]
MetricKind = Literal["counter", "histogram", "gauge"]
SpanKind = Literal["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """A key that spans, metrics, events or resources carry.

    Args:
        name: As on the wire.
        type: As OpenTelemetry names it.
        about: One sentence.
        column: The materialised column of `otel_traces` that holds it, where there is one.
    """

    name: str
    type: AttributeType
    about: str
    column: str = ""

    @property
    def label(self) -> str:
        """Return the Prometheus label: every character outside [a-zA-Z0-9_] becomes `_`."""
        return _escape(self.name)


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that is emitted, stored, drawn and alerted on.

    Args:
        name: As on the wire.
        kind: Counters only grow; gauges are the last value.
        unit: UCUM. Things without a unit use {braces}: every exporter drops those, whereas
            unit "1" becomes `_ratio` in one exporter and nothing in another.
        about: One sentence.
        labels: Every label a series may carry, besides `service.name`.
        buckets: Upper bounds, for histograms.
        operations: Where the metric is derived from spans: the operations it is derived from.
        measures: Where the metric is derived from spans: the span column that is added up, or
            "" for the duration.
        event: Where the metric is derived from log records: the name of their event.
    """

    name: str
    kind: MetricKind
    unit: str
    about: str
    labels: tuple[Attribute, ...] = ()
    buckets: tuple[float, ...] = ()
    operations: tuple[str, ...] = ()
    measures: str = ""
    event: str = ""

    @property
    def prometheus(self) -> str:
        """Return the family name that Prometheus stores, without `_bucket`, `_sum` and `_count`.

        Source: the OpenTelemetry specification's Prometheus compatibility page.
        """
        unit = "" if self.unit.startswith("{") else _UNITS[self.unit]
        name = _escape(self.name)
        if unit and not name.endswith(f"_{unit}"):
            name = f"{name}_{unit}"
        return f"{name}_total" if self.kind == "counter" else name


@dataclass(frozen=True, slots=True)
class Series:
    """Series that Prometheus has under a name of their own: another project's, or recorded by a rule.

    Args:
        name: As Prometheus stores it, without `_bucket`, `_sum` and `_count`.
        kind: As of a metric.
        unit: As of a metric; "%" and others that only dashboards have to know are allowed.
        about: One sentence.
        labels: Every label a series may carry, besides what a scraper adds.
        spellings: Other names of the same thing, of other versions.
    """

    name: str
    kind: MetricKind
    unit: str
    about: str
    labels: tuple[Attribute, ...] = ()
    spellings: tuple[str, ...] = ()

    @property
    def prometheus(self) -> str:
        """Return the name, as rows of metrics do."""
        return self.name


@dataclass(frozen=True, slots=True)
class Span:
    """A kind of span that decorated calls become.

    Args:
        noun: The decorator, as in `@mlobs.tool`.
        operation: `gen_ai.operation.name`, or "" where the conventions have none.
        kind: The OpenTelemetry span kind.
        name_from: The attribute that follows the operation in the span name.
        about: One sentence.
    """

    noun: str
    operation: str
    kind: SpanKind
    name_from: Attribute | None
    about: str


@dataclass(frozen=True, slots=True)
class Event:
    """A log record with an event name.

    Args:
        name: As on the wire.
        severity_number: As OpenTelemetry counts: 9 is INFO, 13 is WARN.
        about: One sentence.
        attributes: What it carries.
    """

    name: str
    severity_number: int
    about: str
    attributes: tuple[Attribute, ...]


_UNITS = {"s": "seconds", "By": "bytes"}


def _escape(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
