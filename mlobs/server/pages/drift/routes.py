"""The page of drift, and that of one feature. What is judged is told by another part of the server."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mlobs.errors import QueryError
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.server.ask.ranges import NS
from mlobs.server.engine import Value
from mlobs.server.pages.drift import view
from mlobs.server.pages.drift.segments import SHOWN, folded, telling
from mlobs.server.pages.drift.watched import KEYS, watched
from mlobs.server.pages.examples import examples
from mlobs.server.pages.handling import message, page, parameters, told
from mlobs.server.pages.period import NAMES, Period, read_period
from mlobs.server.pages.rendering import render
from mlobs.server.store import Store

LIVE_SECONDS = 15
ONE_SINCE = "6h"
BEFORE_NS = 3600 * NS
TRACES_SHOWN = 12
NOT_HERE = "This server judges no drift: it was started without it, or is still starting."


def show(request: Request) -> Response:
    """GET /drift: which models are watched, and which of their features have moved."""
    given = parameters(request, (*view.WHO, "moved"))
    said = _told(request)
    if said is None:
        return message(request, 503, "No drift", NOT_HERE, again_s=5)
    watches = telling(watched(request.app.state.store, said["watches"]))
    chosen = [one for one in watches if all(one[name] == given[name] for name in view.WHO if name in given)]
    if "moved" in given:
        chosen = [one for one in chosen if one["alarm"]]
    features = view.features(chosen)
    shown = features[: view.FEATURES_SHOWN]
    monitors = view.monitors(watches)
    return render(
        request,
        "drift.html",
        section="drift",
        given=given,
        live_s=LIVE_SECONDS,
        failure=said["failure"],
        looked=said["looked"],
        false_alarms=said["false_alarms_per_year"],
        left_out=said["left_out"],
        alarms=sum(one["alarm"] for one in watches),
        watched=len(watches),
        rows=view.together(one["rows"] for one in monitors),
        monitors=monitors,
        # Who asks for what moved wants all of it.
        features=folded(shown, len(shown) if "moved" in given else SHOWN),
        left=max(0, len(features) - view.FEATURES_SHOWN),
        narrowed=any(name in given for name in view.WHO),
    )


def show_one(request: Request) -> Response:
    """GET /drift/feature: one feature's distributions, evidence, traces, segments and data quality."""
    given = parameters(request, (*KEYS, *NAMES))
    missing = [name for name in ("service", "model", "feature") if name not in given]
    if missing:
        raise QueryError(f"{missing[0]} is missing; a feature has an address with {', '.join(KEYS)}.")
    said = _told(request)
    if said is None:
        return message(request, 503, "No drift", NOT_HERE, again_s=5)
    key = {name: given.get(name, "") for name in KEYS}
    store: Store = request.app.state.store
    watches = watched(store, said["watches"])
    found = _found(watches, key, given)
    if found is None:
        return _nothing(request)
    key = {name: found[name] for name in KEYS}
    said_range = {name: given[name] for name in NAMES if name in given}
    period = read_period(said_range or {"since": ONE_SINCE}, time.time_ns())
    axis, params = period.axis(), _params(key, period)
    counts = store.named("page_drift_counts", {**params, "metric": m.DRIFT_OBSERVATIONS.name})
    labels = {**params, **_label_keys(), "metric": m.DRIFT_REFERENCE_RATIO.name}
    bins = view.bins(store.named("page_drift_reference", labels), counts)
    rows, traces = store.named("page_drift_evidence", params), _traces(store, params, period)
    listed = telling(watches)
    same = [one for one in listed if all(one[name] == key[name] for name in (*view.WHO, "feature"))]
    others = [one for one in listed if all(one[name] == key[name] for name in (*view.WHO, "segment"))]
    return render(
        request,
        "feature.html",
        section="drift",
        path=view.ONE,
        given=given,
        period=period,
        live_s=LIVE_SECONDS,
        one=view.feature(found),
        since_moved=view.where(found, **{"from": found["since"]}) if found["since"] else "",
        bins=bins,
        live_rows=sum(one.rows for one in bins),
        distributions=view.distributions(bins),
        evidence=view.evidence(
            rows,
            axis,
            together=m.DRIFT_FLEET_LOG_E.name,
            threshold=m.DRIFT_FLEET_THRESHOLD.name,
            line=found["threshold"] or found["own_threshold"],
        ),
        quality=view.quality(counts, axis),
        seen=view.rows_seen(counts, axis),
        traces=traces,
        unsaid=any(one["known"] for one in traces) and not any(one.get("preview") for one in traces),
        begins=any(one.begins for one in bins),
        segments=folded([one for one in view.features(same) if one["segment"] != key["segment"]]),
        others=[one for one in view.features(others) if one["feature"] != key["feature"]][:10],
        monitor=view.monitors([found])[0],
    )


ROUTES = (page(view.PATH, show), page(view.ONE, show_one))


def _found(
    watches: Sequence[Mapping[str, Any]], key: Mapping[str, str], given: Mapping[str, str]
) -> Mapping[str, Any] | None:
    """Return the feature of an address; without its profile, as alerts tell of it, what moved most."""
    exact = next((one for one in watches if all(one[name] == key[name] for name in KEYS)), None)
    if exact is not None or "ref" in given:
        return exact
    named = [name for name in KEYS if name in given]
    fits = [one for one in watches if all(one[name] == key[name] for name in named)]
    return max(fits, key=lambda one: (one["alarm"], one["reached"]), default=None)


def _told(request: Request) -> Mapping[str, Any] | None:
    tell = told(request, "drift")
    return None if tell is None else tell()


def _params(key: Mapping[str, str], period: Period) -> dict[str, Value]:
    return {
        **key,
        "feature_key": a.FEATURE.name,
        "model_key": a.MODEL_NAME.name,
        "version_key": a.MODEL_VERSION.name,
        "ref_key": a.PROFILE_REF.name,
        "segment_key": a.SEGMENT.name,
        "bin": a.BIN.name,
        "instance": a.SERVICE_INSTANCE_ID.name,
        "evidence": m.DRIFT_FLEET_LOG_E.name,
        "threshold": m.DRIFT_FLEET_THRESHOLD.name,
        "own": m.DRIFT_LOG_E.name,
        "alarm": m.DRIFT_ALARM.name,
        "since_ns": period.range.since_ns,
        "before_ns": max(0, period.range.since_ns - BEFORE_NS),
        "until_ns": period.end_ns,
        "step_s": period.step_ns // NS,
        "limit": TRACES_SHOWN,
    }


def _label_keys() -> dict[str, Value]:
    """Return the names that the newest points have for what is asked for by attribute elsewhere."""
    return {
        "feature_key": a.FEATURE.label,
        "model_key": a.MODEL_NAME.label,
        "version_key": a.MODEL_VERSION.label,
        "ref_key": a.PROFILE_REF.label,
        "segment_key": a.SEGMENT.label,
        "bin": a.BIN.label,
        "range": a.BIN_RANGE.label,
    }


def _traces(store: Store, params: Mapping[str, Value], period: Period) -> list[dict[str, Any]]:
    ids = [row["trace_id"] for row in store.named("page_drift_traces", params)]
    return examples(store, ids, period.range.since_ns, period.end_ns)


def _nothing(request: Request) -> Response:
    return message(
        request,
        404,
        "Nobody watches this feature now",
        "No process has told of it lately, or it was judged under another profile.",
        checks=(
            "The page Drift has the features that are watched now.",
            "A process tells of its features while it has an mlobs.Monitor and sends metrics here.",
            "A new profile has another ref, and a new version of the model another version.",
        ),
    )
