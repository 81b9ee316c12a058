"""What indicators are made of: records, what makes a call bad, who can be asked."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlobs.semconv.attributes import ERROR_TYPE, SERVICE_NAME
from mlobs.semconv.metrics import AGENT_TOOL_CALLS, PROCESS, SERVER
from mlobs.semconv.rows import Attribute, Metric, MetricKind

Unit = Literal["ratio", "number", "seconds", "usd", "bytes"]
Engine = Literal["prometheus", "server"]

BOTH: tuple[Engine, ...] = ("prometheus", "server")
PROMETHEUS: tuple[Engine, ...] = ("prometheus",)
# What only processes count, and the server can count too, from the spans of a run.
FROM_RUNS = (AGENT_TOOL_CALLS,)


class Record(BaseModel):
    """A frozen row that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Failed(Record):
    """A call is bad if it failed.

    Args:
        excused: Values of `error.type` that are the fault of whoever sent the request. Such
            calls are calls, but not failures.
    """

    kind: Literal["failed"] = "failed"
    excused: tuple[str, ...] = ()


class Labelled(Record):
    """A call is bad if it has one of these values of a label."""

    kind: Literal["labelled"] = "labelled"
    label: Attribute
    values: tuple[str, ...] = Field(min_length=1)


class Beyond(Record):
    """A call is bad if it took longer, or more, than `bound`, which is one of the metric's bucket bounds."""

    kind: Literal["beyond"] = "beyond"
    bound: float = Field(gt=0, allow_inf_nan=False)


Bad = Annotated[Failed | Labelled | Beyond, Field(discriminator="kind")]


class OfMetric(Record):
    """An indicator about one metric.

    Args:
        metric: Which.
    """

    metric: Metric

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Return who can be asked."""
        return engines_of(self.metric)


def engines_of(metric: Metric) -> tuple[Engine, ...]:
    """Return who knows a metric."""
    if metric in SERVER or (metric in PROCESS and metric not in FROM_RUNS):
        return PROMETHEUS
    return BOTH


def check(metric: Metric, kind: MetricKind, by: tuple[Attribute, ...]) -> None:
    """Check that a metric is of a kind and has labels.

    Raises:
        ValueError: It is not, or has not.
    """
    if metric.kind != kind:
        raise ValueError(f"{metric.name} is a {metric.kind}, this indicator needs a {kind}")
    labels = metric.labels if metric in SERVER else (SERVICE_NAME, *metric.labels)
    for attribute in by:
        if attribute not in labels:
            has = ", ".join(label.name for label in labels)
            raise ValueError(f"{metric.name} has no label {attribute.name}; it has {has}")
        if metric.operations and not attribute.column:
            raise ValueError(
                f"{attribute.name} is on no span, so calls cannot be told apart by it; leave it out"
            )


def check_calls(metric: Metric, bad: Failed | Labelled | Beyond, by: tuple[Attribute, ...]) -> None:
    """Check that calls of `metric` can be told to be bad.

    Raises:
        ValueError: They cannot.
    """
    match bad:
        case Failed():
            check(metric, "histogram", (*by, ERROR_TYPE))
        case Labelled():
            check(metric, "histogram", (*by, bad.label))
        case Beyond():
            check(metric, "histogram", by)
            if bad.bound not in metric.buckets:
                has = ", ".join(f"{bound:.12g}" for bound in metric.buckets)
                raise ValueError(f"{metric.name} has no bucket that ends at {bad.bound:.12g}; it has {has}")
    if metric not in FROM_RUNS and metric not in PROCESS:
        check_derived(metric)


def check_derived(metric: Metric) -> None:
    """Check that a metric is derived from spans.

    Raises:
        ValueError: It is not.
    """
    if not metric.operations:
        raise ValueError(f"{metric.name} is not derived from spans, which this indicator counts")
