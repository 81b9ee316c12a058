"""The numbers at which alerts begin: what differs from house to house.

They are settings, `MLOBS_ALERT_` and the field's name in capitals; `mlobs.settings` says how such are read.
"""

from typing import Annotated

from pydantic import AfterValidator, AliasChoices, Field
from pydantic_settings import BaseSettings

from mlobs.semconv.metrics import CALL_SECONDS, CALLS, RUN_SECONDS

PENDING_BYTES_MAX = 2 << 30


def _bucket(bounds: tuple[float, ...]) -> AfterValidator:
    """Return what refuses numbers that are no bucket's bound: nobody could count the calls within."""

    def check(value: float) -> float:
        if value not in bounds:
            raise ValueError(f"one of {', '.join(f'{bound:.12g}' for bound in bounds)} was expected")
        return value

    return AfterValidator(check)


class Thresholds(BaseSettings):
    """The numbers at which alerts begin."""

    error_ratio_max: float = Field(0.05, gt=0, lt=1, description="Share of failed calls that alerts.")
    tool_failure_ratio_max: float = Field(
        0.2, gt=0, lt=1, description="Share of failed tool calls that alerts."
    )
    calls_min: int = Field(20, ge=1, description="Fewer calls in the window never alert.")
    hold_s: int = Field(120, ge=0, le=86_400, description="Seconds a share stays too high before it alerts.")
    availability_objective: float = Field(
        0.99, gt=0, lt=1, description="Share of model calls that is not to fail, over 30 days."
    )
    first_chunk_objective: float = Field(
        0.95, gt=0, lt=1, description="Share of streams whose first chunk is to come in time, over 30 days."
    )
    first_chunk_s: Annotated[float, _bucket(CALL_SECONDS)] = Field(
        2.56, description="Seconds in which a first chunk is to come; a bound of the metric's buckets."
    )
    run_objective: float = Field(
        0.95, gt=0, lt=1, description="Share of agents' runs that is to end in time, over 30 days."
    )
    run_s: Annotated[float, _bucket(RUN_SECONDS)] = Field(
        102.4, description="Seconds in which an agent's run is to end; a bound of the metric's buckets."
    )
    model_s_max: float = Field(
        30.0, gt=0, lt=CALL_SECONDS[-1], description="Seconds of the slowest 5% of model calls that alert."
    )
    provider_error_ratio_max: float = Field(
        0.05, gt=0, lt=1, description="Share of a provider's calls with one type of error that alerts."
    )
    rate_limit_ratio_max: float = Field(
        0.02, gt=0, lt=1, description="Share of calls refused by a rate limit that alerts."
    )
    cost_growth_max: float = Field(3.0, gt=1, description="Times the usual cost of an hour that alerts.")
    cost_usd_min: float = Field(
        5.0, gt=0, description="US dollars; an hour that costs less never alerts by its growth."
    )
    user_cost_usd_max: float = Field(20.0, gt=0, description="US dollars of one user in an hour that alert.")
    tenant_cost_usd_max: float = Field(
        100.0, gt=0, description="US dollars of one tenant in an hour that alert."
    )
    budget_usd: float = Field(
        0.0, ge=0, description="US dollars that each service may cost in a month of UTC; 0 for no budget."
    )
    budget_spent_max: float = Field(0.9, gt=0, description="Share of the month's budget spent that alerts.")
    tokens_growth_max: float = Field(
        2.0, gt=1, description="Times the input tokens of a call the day before that alert."
    )
    steps_max: float = Field(
        32.0, gt=0, lt=CALLS[-1], description="Model calls in the longest 5% of an agent's runs that alert."
    )
    loop_calls: Annotated[float, _bucket(CALLS)] = Field(
        64, description="Tool calls in a run from which on it is taken for a loop; a bound of the buckets."
    )
    unfinished_ratio_max: float = Field(
        0.05, gt=0, lt=1, description="Share of empty, or of cut, answers of a model that alerts."
    )
    refusal_ratio_max: float = Field(0.1, gt=0, lt=1, description="Share of refused answers that alerts.")
    guardrail_ratio_max: float = Field(
        0.2, gt=0, lt=1, description="Share of a guardrail's checks that block that alerts."
    )
    score_drop_max: float = Field(
        0.05, ge=0, lt=1, description="Share by which scores are proven to be below usual that alerts."
    )
    drift_proven_min: float = Field(0.05, ge=0, lt=1, description="Share proven to be misplaced that alerts.")
    figures_interval_s: float = Field(
        60.0, gt=0, le=240, description="Seconds between looks at answers, guardrails, scores and budgets."
    )
    series_max: int = Field(20_000, ge=1, description="Series of one metric in Prometheus that alert.")
    pending_bytes_max: int = Field(  # The server's own limit, of which the alert's is a part.
        PENDING_BYTES_MAX,
        ge=1 << 20,
        validation_alias=AliasChoices("MLOBS_PENDING_BYTES_MAX"),
        description="Journal bytes that may wait for the store; more get 503.",
    )

    @property
    def pending_bytes_alerting(self) -> int:
        """Return how much of one signal is too much: one of three has a third when the limit is reached."""
        return self.pending_bytes_max // 4
