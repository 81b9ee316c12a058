"""What a rule measures, in rows of `mlobs.semconv`: one class per kind.

`promql` and `sql` know how to ask for each kind, so that both mean the same by it; to add a kind, add a
class to `Indicator`, a rendering to both, its words to `words`, and its sums to `replay.shapes`.

Calls are counted when they ended. `engines` says who can be asked at all: the server's tables do
not hold what others than services send, and Prometheus has no series for each user. What only some
calls, or series, are to count for is said by `where`, which every kind has but PromQL of one's own.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from mlobs.alerts.measured import (
    ONLY_SERVER,
    Bad,
    Choosing,
    Engine,
    Failed,
    OfMetric,
    Unit,
    check,
    check_calls,
    check_derived,
    check_where,
    engines_of,
)
from mlobs.alerts.outside import Expression as Expression
from mlobs.alerts.outside import Recorded as Recorded
from mlobs.alerts.outside import Watchdog as Watchdog
from mlobs.semconv.attributes import ERROR_TYPE, SERVICE_NAME
from mlobs.semconv.rows import Attribute, Metric


class Ratio(OfMetric):
    """The share of bad calls, of the calls that ended within the window.

    Args:
        metric: A histogram of calls.
        bad: Which calls are bad.
        by: One alert for each combination of these. With `error.type` among them it is the share
            of each type of error in all calls.
        window_s: How far back calls are counted.
        calls_min: With fewer calls in the window there is no alert: one failure of three
            says little and wakes somebody.
    """

    kind: Literal["ratio"] = "ratio"
    bad: Bad = Failed()
    by: tuple[Attribute, ...]
    window_s: int = Field(gt=0)
    calls_min: int = Field(ge=1)
    unit: ClassVar[Unit] = "ratio"

    @property
    def whole_by(self) -> tuple[Attribute, ...]:
        """Return what bad and good calls are told apart by."""
        return tuple(attribute for attribute in self.by if attribute != ERROR_TYPE)

    @model_validator(mode="after")
    def _fits(self) -> "Ratio":
        check_calls(self.metric, self.bad, self.by)
        check_where((self.metric,), self.where)
        return self


class BurnRate(OfMetric):
    """How many times faster than allowed the budget of an objective is spent, in two windows at once.

    An objective of 0.99 allows one bad call in a hundred; at a rate of 1 all of them happen. The long
    window says that it matters, the short one that it still goes on. The value is that of the long one.

    Args:
        objective_name: In the names of the recorded series: letters and `_`.
        metric: A histogram of calls.
        bad: Which calls are bad.
        by: One alert for each combination of these.
        objective: The share of calls that is to be good.
        long_s: The long window.
        short_s: The short one.
        calls_min: With fewer calls in the long window there is no alert,
        bad_min: and with fewer bad ones neither.
    """

    kind: Literal["burn_rate"] = "burn_rate"
    objective_name: str = Field(pattern=r"^[a-z][a-z_]*$")
    bad: Bad = Failed()
    by: tuple[Attribute, ...]
    objective: float = Field(gt=0, lt=1)
    long_s: int = Field(gt=0)
    short_s: int = Field(gt=0)
    calls_min: int = Field(ge=1)
    bad_min: int = Field(default=5, ge=1)
    unit: ClassVar[Unit] = "number"

    @property
    def window_s(self) -> int:
        """Return how far back the indicator looks."""
        return self.long_s

    @model_validator(mode="after")
    def _fits(self) -> "BurnRate":
        check_calls(self.metric, self.bad, self.by)
        check_where((self.metric,), self.where)
        if self.short_s >= self.long_s:
            raise ValueError(f"short_s is {self.short_s}, which is not shorter than long_s, {self.long_s}")
        return self


class Quantile(OfMetric):
    """What a share of the calls stayed below, by the metric's buckets, as Prometheus works it out.

    Args:
        metric: A histogram.
        quantile: The share, such as 0.95.
        by: One alert for each combination of these.
        window_s: How far back calls are counted.
        calls_min: With fewer calls in the window there is no alert.
    """

    kind: Literal["quantile"] = "quantile"
    quantile: float = Field(gt=0, lt=1)
    by: tuple[Attribute, ...]
    window_s: int = Field(gt=0)
    calls_min: int = Field(ge=1)

    @property
    def unit(self) -> Unit:
        """Return the unit of its values."""
        return "seconds" if self.metric.unit == "s" else "number"

    @model_validator(mode="after")
    def _fits(self) -> "Quantile":
        check(self.metric, "histogram", self.by)
        check_where((self.metric,), self.where)
        return self


class Gauge(OfMetric):
    """The newest value of a gauge; of several processes, the largest.

    Args:
        metric: A gauge that services send, or the server.
        by: One alert for each combination of these.
        fresh_s: Older points do not count: nobody vouches for them any more.
        since: A gauge with the same labels that says when the trouble began, in seconds
            since 1970.
        unit: Of its values.
    """

    kind: Literal["gauge"] = "gauge"
    by: tuple[Attribute, ...]
    fresh_s: int = Field(default=300, gt=0)
    since: Metric | None = None
    unit: Unit = "number"

    @property
    def window_s(self) -> int:
        """Return how far back the indicator looks."""
        return self.fresh_s

    @model_validator(mode="after")
    def _fits(self) -> "Gauge":
        for metric in (self.metric, self.since or self.metric):
            check(metric, "gauge", self.by)
            check_where((metric,), self.where)
        return self


class Increase(OfMetric):
    """How much a counter grew within the window, restarts of its process allowed for.

    Args:
        metric: A counter; derived from spans, it may also be by what only spans have, such as a user.
        by: One alert for each combination of these.
        window_s: How far back.
        unit: Of its values.
    """

    kind: Literal["increase"] = "increase"
    by: tuple[Attribute, ...]
    window_s: int = Field(gt=0)
    unit: Unit = "number"

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Return who can be asked."""
        if all(attribute in (SERVICE_NAME, *self.metric.labels) for attribute in self.by):
            return engines_of((self.metric,), self.where)
        return ONLY_SERVER

    @model_validator(mode="after")
    def _fits(self) -> "Increase":
        of_spans = tuple(one for one in self.by if self.metric.operations and one.column)
        rest = tuple(one for one in self.by if one not in of_spans)
        check(self.metric, "counter", rest)
        check_where((self.metric,), self.where)
        return self


class Growth(OfMetric):
    """How many times more a counter grew within the window than it usually does in as long a time.

    Usual is the mean over the memory before the window, of times in which it grew at all: a job that
    runs every night is compared with its other nights.

    Args:
        metric: A counter, derived from spans.
        by: One alert for each combination of these.
        window_s: How far back.
        memory_s: How far back before that.
        history_s: With less time in the memory in which the counter grew there is no alert.
        amount_min: If it grew by less within the window there is no alert.
    """

    kind: Literal["growth"] = "growth"
    by: tuple[Attribute, ...]
    window_s: int = Field(gt=0)
    memory_s: int = Field(gt=0)
    history_s: int = Field(gt=0)
    amount_min: float = Field(gt=0)
    unit: ClassVar[Unit] = "number"

    @model_validator(mode="after")
    def _fits(self) -> "Growth":
        check(self.metric, "counter", self.by)
        check_derived(self.metric)
        check_where((self.metric,), self.where)
        return self


class PerCallGrowth(OfMetric):
    """How many times more of something there is for each call than over the memory before the window.

    Args:
        metric: A counter, derived from spans: of what.
        per: A histogram, derived from the same spans: the calls.
        by: One alert for each combination of these.
        window_s: How far back.
        memory_s: How far back before that.
        calls_min: With fewer calls in the window, or in the memory, there is no alert.
    """

    kind: Literal["per_call_growth"] = "per_call_growth"
    per: Metric
    by: tuple[Attribute, ...]
    window_s: int = Field(gt=0)
    memory_s: int = Field(gt=0)
    calls_min: int = Field(ge=1)
    unit: ClassVar[Unit] = "number"

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Return who can be asked."""
        return engines_of((self.metric, self.per), self.where)

    @model_validator(mode="after")
    def _fits(self) -> "PerCallGrowth":
        check(self.metric, "counter", self.by)
        check(self.per, "histogram", self.by)
        for metric in (self.metric, self.per):
            check_derived(metric)
        check_where((self.metric, self.per), self.where)
        return self


class Absence(Choosing):
    """A service that used to make calls all the time and makes none any more. The value is always 1.

    "All the time" is counted in stretches of half a window. A run that takes no longer than one touches at
    most two of them, and a job that runs every one and a half windows, or less often, has three from one
    run to the next: it touches two in three of them at most, wherever they begin. Of whole windows, it
    could touch each.

    Args:
        metrics: Durations, derived from spans; any of them is a sign of life.
        window_s: No call for so long is silence.
        memory_s: How far back "used to" goes, from the last call on.
        calls_min: Only a service that made on average so many calls per window, over the
            memory, is missed. A quiet service is not.
        busy_share: Only a service that made calls in this share of the memory's stretches is missed. What
            ran for a while and ended, or runs now and then, is not. The default is over two thirds, so that
            no job of those above is missed: 51 stretches of 72, of six hours and windows of ten minutes. A
            service that began less than four hours ago is not missed then.
        missed_s: How long after its last call a service is missed; then it is given up.
    """

    kind: Literal["absence"] = "absence"
    metrics: tuple[Metric, ...] = Field(min_length=1)
    window_s: int = Field(gt=0)
    memory_s: int = Field(gt=0)
    calls_min: int = Field(ge=1)
    busy_share: float = Field(default=0.7, gt=0, le=1)
    missed_s: int = Field(default=86_400, gt=0)
    by: ClassVar[tuple[Attribute, ...]] = (SERVICE_NAME,)
    unit: ClassVar[Unit] = "number"

    @property
    def stretch_s(self) -> int:
        """Return how long a stretch is; they begin at whole multiples of it, since 1970."""
        return max(self.window_s // 2, 1)

    @property
    def stretches(self) -> int:
        """Return how many the memory has."""
        return max(self.memory_s // self.stretch_s, 1)

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Return who can be asked."""
        return engines_of(self.metrics, self.where)

    @model_validator(mode="after")
    def _fits(self) -> "Absence":
        for metric in self.metrics:
            check(metric, "histogram", self.by)
            check_derived(metric)
        check_where(self.metrics, self.where)
        if self.missed_s <= self.window_s:
            raise ValueError(
                f"missed_s is {self.missed_s}, which is not longer than window_s, {self.window_s}"
            )
        return self


class Silence(OfMetric):
    """A gauge that was sent and is no longer, although calls go on that it should be about. The value is 1.

    Args:
        metric: The gauge.
        calls: A histogram, derived from spans: the calls that go on.
        by: One alert for each combination of these; both metrics have them.
        window_s: No point for so long is silence; with no call for so long, silence is right.
        memory_s: How far back the gauge was sent.
    """

    kind: Literal["silence"] = "silence"
    calls: Metric
    by: tuple[Attribute, ...]
    window_s: int = Field(gt=0)
    memory_s: int = Field(gt=0)
    unit: ClassVar[Unit] = "number"

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Return who can be asked."""
        return engines_of((self.metric, self.calls), self.where)

    @model_validator(mode="after")
    def _fits(self) -> "Silence":
        check(self.metric, "gauge", self.by)
        check(self.calls, "histogram", self.by)
        check_derived(self.calls)
        check_where((self.metric, self.calls), self.where)
        return self


Indicator = Annotated[
    Ratio
    | BurnRate
    | Quantile
    | Gauge
    | Increase
    | Growth
    | PerCallGrowth
    | Absence
    | Silence
    | Recorded
    | Expression
    | Watchdog,
    Field(discriminator="kind"),
]
WITHOUT_LIMIT = ("absence", "silence", "watchdog")
