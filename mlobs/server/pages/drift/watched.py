"""Every feature that is watched: what all processes together show, and what each of them knows alone."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.server.engine import Value
from mlobs.server.exposition import STALE_SECONDS
from mlobs.server.store import Store

Row = Mapping[str, Any]
SECONDS_MAX = 253_402_300_800  # The end of the year 9999.
KEYS = ("service", "model", "version", "ref", "feature", "segment")
ASKED: dict[str, Value] = {
    "alarm": m.DRIFT_ALARM.name,
    "own": m.DRIFT_LOG_E.name,
    "line": m.DRIFT_THRESHOLD.name,
    "bound": m.DRIFT_TV_LOWER_BOUND.name,
    "floor": m.DRIFT_FLOOR.name,
    "start": m.DRIFT_CHANGE_START.name,
    "distance": m.DRIFT_DISTANCE.name,
    "model_key": a.MODEL_NAME.label,
    "version_key": a.MODEL_VERSION.label,
    "ref_key": a.PROFILE_REF.label,
    "feature_key": a.FEATURE.label,
    "segment_key": a.SEGMENT.label,
    "method_key": a.DRIFT_METHOD.label,
    "stale_s": STALE_SECONDS,
}


def watched(store: Store, together: Iterable[Row]) -> list[dict[str, Any]]:
    """Return what is known of each feature now.

    Args:
        store: Has what processes sent.
        together: What is known of all processes of a feature taken together.
    """
    return merged(together, store.named("page_drift_processes", ASKED))


def merged(together: Iterable[Row], alone: Sequence[Row]) -> list[dict[str, Any]]:
    """Return features with both; an alarm of either is one.

    Args:
        together: Of all processes.
        alone: Rows of `queries/page_drift_processes.sql`.
    """
    own = {_key(row): row for row in alone}
    found = [_both(one, own.pop(_key(one), None)) for one in together]
    return found + [_both(_unjudged(row), row) for row in own.values()]


def _key(one: Row) -> tuple[str, ...]:
    return tuple(one[name] for name in KEYS)


def _both(one: Row, own: Row | None) -> dict[str, Any]:
    shares = {"together": _share(one["log_e"], one["threshold"])}
    if own is not None:
        shares["alone"] = _share(own["own_log_e"], own["own_threshold"])
    own_alarms = own["own_alarms"] if own is not None else 0
    starts = [one["change_start"] or ""]
    if own is not None and own_alarms:
        starts.append(_iso(own["own_change_start_s"]))
    return {
        **one,
        "fleet_alarm": one["alarm"],
        "own_alarms": own_alarms,
        "alarm": bool(one["alarm"] or own_alarms),
        "reached": max(shares.values()),
        "tv_lower_bound": max(one["tv_lower_bound"], own["own_tv_lower_bound"] if own else 0.0),
        "own_threshold": own["own_threshold"] if own else 0.0,
        "processes": max(one["processes"], own["processes"] if own else 0),
        "since": min(filter(None, [one["raised"], *starts]), default="")
        if one["alarm"] or own_alarms
        else "",
    }


def _unjudged(own: Row) -> dict[str, Any]:
    """Return what is known of a feature that is not judged over all processes, as such a feature has it."""
    return {
        **{name: own[name] for name in KEYS},
        **dict.fromkeys(("raised", "change_start", "missing_ratio", "unseen_ratio", "outside_ratio")),
        "rows": None,  # Added up when the processes are judged together, which comes once a minute.
        "blocks": 0,
        "log_e": 0.0,
        "threshold": 0.0,
        "alarm": False,
        "floor": own["own_floor"],
        "tv_lower_bound": 0.0,
        "processes": 0,
        "distances": {"psi": own["own_psi"]},
        "moves": [],
        "seen": _iso(own["sent_s"]),
    }


def _share(log_e: float, threshold: float) -> float:
    """Return how far evidence is on its way to the alarm; there is no way back below nothing."""
    return max(0.0, log_e / threshold) if threshold > 0 else 0.0


def _iso(seconds: float | None) -> str:
    """Return a moment as text, "" for none: what programs send may be no time that a calendar has."""
    if not seconds or not 0 < seconds < SECONDS_MAX:
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
