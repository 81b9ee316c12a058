"""What Prometheus remembers of every hop, as entries. Pure.

A counter's growth is added up from its samples, over restarts too; what was counted between the last
sample and a crash is gone, so a hop that was started again is not complete. Prometheus reads its targets
at different moments, so counts may be off by what came in between; that is each entry's blur.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from mlobs.semconv import loss
from mlobs.semconv import metrics as m
from mlobs.server.ledger.collectors import TAIL, UPTIME, entries_of, hop_of
from mlobs.server.ledger.entries import COLLECTORS, PROGRAMS, Entry
from mlobs.server.ledger.own import STARTED, of_page
from mlobs.server.ledger.samples import Sample, plain

_COLLECTOR = (
    "receiver_(accepted|refused|failed)_.*", "exporter_(sent|send_failed|enqueue_failed)_.*",
    "exporter_queue_(size|capacity)", "exporter_in_flight_requests", "processor_incoming_items.*",
    "processor_filter_.*_filtered.*", "processor_tail_sampling_(global_count|early|new_trace).*",
    "processor_tail_sampling_(sampling_trace|traces).*", "process_uptime.*",
)  # fmt: skip
_OURS = ("mlobs_sdk_.*", "mlobs_server_items_.*", m.SERVER_PENDING_BYTES.prometheus, STARTED)
QUERY = f'{{__name__=~"otelcol_({"|".join(_COLLECTOR)})|{"|".join(_OURS)}"}}[WINDOW]'
ON_MEMORY = f"{TAIL}_sampling_traces_on_memory"
GAUGES = {
    "otelcol_exporter_queue_size",
    "otelcol_exporter_queue_capacity",
    "otelcol_exporter_in_flight_requests",
    ON_MEMORY,
    m.SERVER_PENDING_BYTES.prometheus,
    loss.SDK_WAITING.prometheus,
    STARTED,
    *UPTIME,
}
HOP_LABEL = "collector"  # As docker/prometheus.yml names them; else they are told by what they have.

Series = Mapping[str, Any]
Points = Sequence[tuple[float, float]]
Held = tuple[str, Mapping[str, str], Points]


def of_matrix(result: Iterable[Series]) -> list[Entry]:
    """Return what each target counted.

    Args:
        result: The series that Prometheus answers to QUERY.
    """
    targets: dict[tuple[str, str], list[Held]] = {}
    for series in result:
        labels = dict(series["metric"])
        name = plain(labels.pop("__name__"))
        points = [(float(at), float(value)) for at, value in series["values"]]
        target = labels.get("job", ""), labels.get("instance", "")
        targets.setdefault(target, []).append((name, labels, points))
    return [entry for (_, instance), held in sorted(targets.items()) for entry in _target(instance, held)]


def _target(instance: str, held: Sequence[Held]) -> list[Entry]:
    names = {name for name, _, _ in held}
    if not any(name.startswith(("otelcol_", "mlobs_")) for name in names):
        return []
    began = min(points[0][0] for _, _, points in held)
    grown = _page(held, lambda points: _growth(points, began))
    first = [
        Sample(name, labels, points[0][1] if name in GAUGES else 0.0)
        for name, labels, points in held
        if points[0][0] <= began
    ]
    times = tuple(sorted({at for _, _, points in held for at, _ in points}))
    edges = _page(held, lambda points: _at_the_edges(points, times))
    restarted = _restarted(held)
    collects = any(name.startswith("otelcol_") for name in names)
    told = next((labels[HOP_LABEL] for _, labels, _ in held if labels.get(HOP_LABEL) in COLLECTORS), None)
    hop = told or hop_of(grown)
    unjudged = _unjudged(held)

    def entries(page: Sequence[Sample]) -> list[Entry]:
        if collects:
            return entries_of(page, f"{hop} {instance}", hop=hop, now_s=0)
        return of_page(page, instance)

    before = {(one.place, one.signal): one.way.waiting or 0 for one in entries(first) if one.hop == PROGRAMS}
    blurs = {(one.hop, one.place, one.signal): _most(one) for one in entries(edges)}
    return [
        replace(
            one,
            began_s=None,
            before=before.get((one.place, one.signal), 0) if one.hop == PROGRAMS else 0,
            complete=not restarted or one.hop == PROGRAMS,  # The server adds programs up over restarts.
            blur=blurs.get((one.hop, one.place, one.signal), 0),
            unjudged=unjudged if one.samples else 0,
        )
        for one in entries(grown)
    ]


def _most(one: Entry) -> float:
    return max(one.came + one.own, one.way.sent)


def _page(held: Sequence[Held], value: Callable[[Points], float]) -> list[Sample]:
    """Return a page of metrics as it would be had everything begun at the first reading.

    What a collector that has ended says last of its queue is no news: another one reads the queue now.
    """
    last = max(points[-1][0] for _, _, points in held)

    def one(name: str, points: Points) -> float:
        if name not in GAUGES:
            return value(points)
        return points[-1][1] if points[-1][0] == last or not name.startswith("otelcol_") else 0.0

    return [Sample(name, labels, one(name, points)) for name, labels, points in held]


def _growth(points: Points, began: float) -> float:
    """Return by how much a counter grew; one that appeared later than its target began at nought."""
    value = points[0][1] if points[0][0] > began else 0.0
    for (_, before), (_, after) in pairwise(points):
        value += after - before if after >= before else after
    return value


def _at_the_edges(points: Points, times: tuple[float, ...]) -> float:
    """Return what was counted between the first two readings of a target and between the last two."""
    values = dict(points)
    ends = {times[:2], times[-2:]} if len(times) > 1 else set()
    return sum(max(0.0, values[after] - values.get(before, 0.0)) for before, after in ends if after in values)


def _unjudged(held: Sequence[Held]) -> float:
    """Return how many traces a sampler had in memory when it was last read before it was started again."""
    ends = [
        at
        for name, _, points in held
        if name in UPTIME
        for (at, before), (_, after) in pairwise(points)
        if after < before
    ]
    lives = sorted(points[-1][0] for name, _, points in held if name in UPTIME)
    held_then = [dict(points) for name, _, points in held if name == ON_MEMORY]
    return sum(values.get(at, 0.0) for at in (*ends, *lives[:-1]) for values in held_then)


def _restarted(held: Sequence[Held]) -> bool:
    for name, _, points in held:
        if name in UPTIME and any(after < before for (_, before), (_, after) in pairwise(points)):
            return True
        if name == STARTED and len({value for _, value in points}) > 1:
            return True
    # A restart makes new series of another process where the instance's id is a label.
    return sum(name in UPTIME for name, _, _ in held) > 1
