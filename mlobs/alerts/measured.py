"""What indicators are made of: records, what makes a call bad, which calls count, who can be asked."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlobs.alerts.document import near
from mlobs.semconv import attributes as a
from mlobs.semconv.attributes import ERROR_TYPE, SERVICE_NAME
from mlobs.semconv.dialects.rows import TENANT
from mlobs.semconv.metrics import AGENT_TOOL_CALLS, DRIFT, PROCESS, SERVER
from mlobs.semconv.rows import Attribute, Metric, MetricKind

Unit = Literal["ratio", "number", "seconds", "usd", "bytes"]
Engine = Literal["prometheus", "server"]

BOTH: tuple[Engine, ...] = ("prometheus", "server")
PROMETHEUS: tuple[Engine, ...] = ("prometheus",)
ONLY_SERVER: tuple[Engine, ...] = ("server",)
# What only processes count, and the server can count too, from the spans of a run.
FROM_RUNS = (AGENT_TOOL_CALLS,)
# What no label says and the server's tables do: of which program, and of spans for whom and in what.
OF_RESOURCE = (a.DEPLOYMENT_ENVIRONMENT, a.SERVICE_VERSION)
OF_SPANS = (
    *OF_RESOURCE, TENANT, a.USER_ID, a.SESSION_ID, a.CONVERSATION_ID, a.OPERATION_NAME, a.PROVIDER_NAME,
    a.REQUEST_MODEL, a.RESPONSE_MODEL, a.AGENT_NAME, a.TOOL_NAME, a.MODEL_NAME, a.MODEL_VERSION,
    a.ERROR_TYPE, a.KIND, a.CALL_STATE,
)  # fmt: skip


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


class Where(Record):
    """Which calls, or series, count: those whose label has one of some values, or none of them.

    Args:
        label: A label; one that is not there has the value "".
        values: The values.
        is_not: Whether those with the values are left out, instead of the others.
    """

    label: Attribute
    values: tuple[str, ...] = Field(min_length=1)
    is_not: bool = False


class Choosing(Record):
    """An indicator that may be about some calls, or series, only.

    Args:
        where: What has to be true of those that count; without it, all do.
    """

    where: tuple[Where, ...] = ()


class OfMetric(Choosing):
    """An indicator about one metric.

    Args:
        metric: Which.
    """

    metric: Metric

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Return who can be asked."""
        return engines_of((self.metric,), self.where)


def engines_of(metrics: Iterable[Metric], where: Iterable[Where] = ()) -> tuple[Engine, ...]:
    """Return who knows some metrics, and what is to be chosen of them."""
    engines, chosen = BOTH, [one.label for one in where]
    for metric in metrics:
        if metric in SERVER or metric.event or (metric in PROCESS and metric not in FROM_RUNS):
            return PROMETHEUS
        if any(label not in (SERVICE_NAME, *metric.labels) for label in chosen):
            engines = ONLY_SERVER
    return engines


def choosable(metric: Metric) -> tuple[Attribute, ...]:
    """Return what may be said of the calls, or series, of a metric that count."""
    own = labels_of(metric)
    if metric.operations:
        return tuple(dict.fromkeys((*own, *OF_SPANS)))
    return (*own, *OF_RESOURCE) if metric in DRIFT else own


def labels_of(metric: Metric) -> tuple[Attribute, ...]:
    """Return the labels of a metric that both engines know."""
    if metric in SERVER:
        return metric.labels
    return (SERVICE_NAME, *(one for one in metric.labels if one.column or not metric.operations))


def check_where(metrics: Iterable[Metric], where: tuple[Where, ...]) -> None:
    """Check that it can be said of the calls, or series, of some metrics whether they count.

    Raises:
        ValueError: It cannot.
    """
    for metric in metrics:
        check_labels(metric.name, choosable(metric), where)


def check_labels(name: str, there: Iterable[Attribute], where: tuple[Where, ...]) -> None:
    """Check that what has a name has the labels that are chosen by, each of which is there once.

    Raises:
        ValueError: It has not.
    """
    chosen = [one.label for one in where]
    for label in chosen:
        if label not in there:
            raise ValueError(_without(name, label, there, "where can say"))
        if chosen.count(label) > 1:
            raise ValueError(f"{label.name} is twice in where; say all its values at once")


def _without(name: str, label: Attribute, there: Iterable[Attribute], has: str) -> str:
    names = [one.name for one in there]
    return f"{name} has no label {label.name}; {has} {', '.join(names)}{near(label.name, names)}"


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
            raise ValueError(_without(metric.name, attribute, labels, "it has"))
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
