"""Inputs and outputs of classical models that moved, columns that are wrong, monitors that fell silent."""

from mlobs.alerts.catalogue.common import DAY_S, HOUR_S, MINUTE_S, SERVICE
from mlobs.alerts.indicators import Gauge, Increase, Recorded, Silence
from mlobs.alerts.recording import TV_ABOVE_FLOOR
from mlobs.alerts.rules import Rule, slot
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.thresholds import Thresholds

ROWS_MIN = 10  # A few odd rows are no change of the code.


def drift(settings: Thresholds) -> tuple[Rule, ...]:
    """Return the rules about drift."""
    name, version, feature = slot(a.MODEL_NAME), slot(a.MODEL_VERSION), slot(a.FEATURE)
    by = (a.SERVICE_NAME, a.MODEL_NAME, a.MODEL_VERSION, a.FEATURE)
    moved = f"{feature} of the model {name} no longer looks like its training data."
    return (
        Rule(
            name="MlobsFeatureDrift",
            indicator=Gauge(metric=m.DRIFT_ALARM, by=by, since=m.DRIFT_CHANGE_START),
            above=0,
            keep_firing_s=15 * MINUTE_S,
            severity="warning",
            component="drift",
            summary=moved,
            description=(
                f"The values of {feature} that {SERVICE} gives to the model {name}, version {version}, have "
                "moved away from the model's profile, in at least one process. The test behind this raises "
                "false alarms at a bounded rate in each process, so the more processes, the more of them: "
                "page on MlobsFleetDrift, whose rate is for all together. If it is true, the population, a "
                "unit, a default, or the code that fills the column has changed. First: mlobs drift check "
                "PROFILE DATA, with the profile of that version and the rows of the last day; it names what "
                "moved."
            ),
        ),
        Rule(
            name="MlobsFleetDrift",
            indicator=Gauge(metric=m.DRIFT_FLEET_ALARM, by=by, since=m.DRIFT_FLEET_CHANGE_START),
            above=0,
            keep_firing_s=15 * MINUTE_S,
            severity="warning",
            component="drift",
            summary=f"In all of {SERVICE} together, {moved}",
            description=(
                f"The values of {feature} that all processes of {SERVICE} give to the model {name}, version "
                f"{version}, have moved away from the model's profile. Each process alone may have seen too "
                "few of them to be sure; the server added their counts up. The test behind this raises "
                "false alarms at a bounded rate for all processes together, so believe it. First: mlobs "
                "drift watch --once; it says which bins grew."
            ),
        ),
        Rule(
            name="MlobsDriftProven",
            indicator=Recorded(series=TV_ABOVE_FLOOR, by=by, unit="ratio", window_s=HOUR_S),
            above=settings.drift_proven_min,
            severity="warning",
            component="drift",
            summary=f"The counts of the last hour prove that {moved}",
            description=(
                f"At least {{value}} of the values of {feature} that {SERVICE} gave to the model {name}, "
                f"version {version}, in the last {{window}} sit in another bin than in training; more than "
                f"{{limit}} alerts, if it is more than the feature's own floor too. This is a lower bound: "
                "what chance and the size of the profile could have done is taken off. First: mlobs drift "
                "check PROFILE DATA, with the profile of that version and the rows of the last hour; it "
                "names what moved."
            ),
        ),
        _quality(),
        _stale(),
    )


def _quality() -> Rule:
    feature, finding = slot(a.FEATURE), slot(a.SCHEMA_FINDING)
    model = f"{slot(a.MODEL_NAME)}@{slot(a.MODEL_VERSION)}"
    return Rule(
        name="MlobsDataQuality",
        indicator=Increase(
            metric=m.DRIFT_SCHEMA,
            by=(a.SERVICE_NAME, a.MODEL_NAME, a.MODEL_VERSION, a.FEATURE, a.SCHEMA_FINDING),
            window_s=10 * MINUTE_S,
        ),
        above=ROWS_MIN,
        hold_s=5 * MINUTE_S,
        keep_firing_s=15 * MINUTE_S,
        severity="warning",
        component="drift",
        summary=f"Rows for the model {model} do not have the columns it was trained with.",
        description=(
            f"About {{value}} rows that {SERVICE} gave to the model {model} in the last {{window}} were "
            f"wrong in {feature}: {finding}. More than {{limit}} for {{hold}} alerts. The model answers all "
            "the same, from a default. First: what changed in the code that makes the rows?"
        ),
    )


def _stale() -> Rule:
    model = f"{slot(a.MODEL_NAME)}@{slot(a.MODEL_VERSION)}"
    return Rule(
        name="MlobsDriftMonitorStale",
        indicator=Silence(
            metric=m.DRIFT_LOG_E,
            calls=m.PREDICT_DURATION,
            by=(a.SERVICE_NAME, a.MODEL_NAME, a.MODEL_VERSION),
            window_s=15 * MINUTE_S,
            memory_s=DAY_S,
        ),
        hold_s=5 * MINUTE_S,
        severity="warning",
        component="drift",
        summary=f"Nobody watches the model {model} in {SERVICE} for drift any more.",
        description=(
            f"{SERVICE} predicts with the model {model}, but its monitor has said nothing for {{window}}, "
            f"and {{hold}} more. Until it does, no alert about drift of this model can fire. First: does the "
            f"log of {SERVICE} say that the monitor stopped? Then: mlobs drift watch --once"
        ),
    )
