"""Indicators that only Prometheus can be asked for: what it records itself, and what others send to it."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from mlobs.alerts.measured import PROMETHEUS, Choosing, Engine, Record, Unit, check_labels
from mlobs.semconv.attributes import SERVICE_NAME
from mlobs.semconv.metrics import FEATURE_LABELS
from mlobs.semconv.recorded import RECORDED
from mlobs.semconv.rows import Attribute

OF_DRIFT = (SERVICE_NAME, *FEATURE_LABELS)
_LABELS = {series.name: series.labels for series in RECORDED}


def labels_of(series: str) -> tuple[Attribute, ...] | None:
    """Return the labels of a recorded series; None for those that rules of one's own record."""
    return OF_DRIFT if series.startswith("mlobs:drift_") else _LABELS.get(series)


class Recorded(Choosing):
    """A series that Prometheus computes by `recording`. The server's tables have nothing to be asked.

    Args:
        series: Its name.
        by: One alert for each combination of these; of the others, the largest value.
        window_s: How far back the series looks.
        unit: Of its values.
    """

    kind: Literal["recorded"] = "recorded"
    series: str = Field(pattern=r"^mlobs:[a-z0-9_]+:[a-z0-9]+$")
    by: tuple[Attribute, ...]
    window_s: int = Field(gt=0)
    unit: Unit = "number"
    engines: ClassVar[tuple[Engine, ...]] = PROMETHEUS

    @model_validator(mode="after")
    def _fits(self) -> "Recorded":
        labels = labels_of(self.series)
        if labels is not None:
            check_labels(self.series, labels, self.where)
        return self


class Expression(Record):
    """PromQL about what others than services send, such as the Collector. Only Prometheus knows it.

    Args:
        promql: Without the limit. Its series have the labels of `by` and no others.
        by: One alert for each combination of these.
        window_s: How far back it looks.
        unit: Of its values.
    """

    kind: Literal["expression"] = "expression"
    promql: str = Field(min_length=1)
    by: tuple[Attribute, ...]
    window_s: int = Field(ge=0)
    unit: Unit = "number"
    engines: ClassVar[tuple[Engine, ...]] = PROMETHEUS


class Watchdog(Record):
    """Always there: when it stops arriving, the way alerts take is broken."""

    kind: Literal["watchdog"] = "watchdog"
    by: ClassVar[tuple[Attribute, ...]] = ()
    window_s: ClassVar[int] = 0
    unit: ClassVar[Unit] = "number"
    engines: ClassVar[tuple[Engine, ...]] = PROMETHEUS
