"""What a Collector counts about itself, as entries. Pure.

Collectors count what receivers accepted, what exporters had taken and what became of the rest, and the
bytes that wait in a queue. A tail sampler does not count the spans that it keeps, so a processor that does
nothing stands behind it: what that one gets was kept.
"""

from collections.abc import Mapping, Sequence

from mlobs.server.ledger.entries import GATEWAY, SAMPLER, SIDECAR, Entry, Way
from mlobs.server.ledger.samples import Sample, chosen, total

UNITS: Mapping[str, str] = {"traces": "spans", "metrics": "metric_points", "logs": "log_records"}
FILTERED: Mapping[str, str] = {"traces": "spans", "metrics": "datapoints", "logs": "logs"}
OTLP = "otlp"
KEPT = "transform/kept"  # The processor behind the tail sampler.
# Filters of copies: those from which metrics are made, and those of which each gets a part of the traces.
# What one of them leaves out, the others have.
OF_COPIES = ("filter/measured", "filter/series", "filter/part-")
SHUTDOWN = "Shutdown"  # What could not be sent before the end is in the queue on the disk.
UPTIME = ("otelcol_process_uptime", "otelcol_process_uptime_seconds")
TAIL = "otelcol_processor_tail_sampling"
INCOMING = "otelcol_processor_incoming_items"
REMOVED = "sampling_trace_removal_age"
# Counters of traces, and of late spans, that were not kept.
LEFT_OUT: tuple[tuple[str, Mapping[str, str]], ...] = (
    (f"{TAIL}_global_count_traces_sampled", {"sampled": "false"}),
    (f"{TAIL}_early_releases_from_cache_decision", {"sampled": "false"}),
    (f"{TAIL}_sampling_trace_dropped_too_early", {}),
    (f"{TAIL}_traces_dropped_too_large", {}),
)
# Those of them that no policy left out, but the want of room.
CUT: Mapping[str, str] = {
    f"{TAIL}_sampling_trace_dropped_too_early": "before they were judged, for more came at once than "
    "MLOBS_SAMPLER_TRACES",
    f"{TAIL}_traces_dropped_too_large": "for they were larger than MLOBS_SAMPLER_TRACE_BYTES",
}
LOAD_BALANCING, OURS = "load_balancing", "/mlobs"


def hop_of(samples: Sequence[Sample]) -> str:
    """Return which hop a collector is, by what it has."""
    if any(one.labels.get("exporter", "").startswith(LOAD_BALANCING) for one in samples):
        return GATEWAY
    return SAMPLER if any(one.name.startswith(TAIL) for one in samples) else SIDECAR


def uptime(samples: Sequence[Sample]) -> float | None:
    """Return how long a collector has been running, in seconds."""
    return next((one.value for one in samples if one.name in UPTIME), None)


def entries_of(samples: Sequence[Sample], place: str, *, hop: str, now_s: float) -> list[Entry]:
    """Return what a collector says of each signal that it has a pipeline for.

    Args:
        samples: Its own metrics.
        place: Names it.
        hop: Which one it is.
        now_s: When that was read.
    """
    running_s = uptime(samples)
    began_s = None if running_s is None else now_s - running_s
    return [
        _entry(samples, place, signal, hop, began_s) for signal in UNITS if _has_pipeline(samples, signal)
    ]


def _has_pipeline(samples: Sequence[Sample], signal: str) -> bool:
    unit = UNITS[signal]
    queues = any(chosen(samples, "otelcol_exporter_queue_capacity", data_type=signal))
    return queues or any(chosen(samples, f"otelcol_receiver_accepted_{unit}"))


def _entry(samples: Sequence[Sample], place: str, signal: str, hop: str, began_s: float | None) -> Entry:
    unit = UNITS[signal]
    accepted = f"otelcol_receiver_accepted_{unit}"
    filtered = {
        one.labels["filter"]: one.value
        for one in chosen(samples, f"otelcol_processor_filter_{FILTERED[signal]}_filtered")
        if one.value and not one.labels.get("filter", OF_COPIES[0]).startswith(OF_COPIES)
    }
    # One that has judged nothing yet says nothing of judging.
    judges = signal == "traces" and (hop == SAMPLER or any(one.name.startswith(TAIL) for one in samples))
    kept = [one.value for one in chosen(samples, INCOMING, processor=KEPT, otel_signal=signal)]
    exporters = _exporters(samples, signal)
    return Entry(
        hop,
        place,
        signal,
        began_s,
        came=total(samples, accepted, receiver=OTLP),
        own=sum(one.value for one in chosen(samples, accepted) if one.labels.get("receiver") != OTLP),
        refused=_refused(samples, unit),
        filtered=filtered,
        samples=judges,
        kept=sum(kept) if judges and kept else None,
        undecided=_undecided(samples) if judges else 0,
        left_out=sum(total(samples, name, **labels) for name, labels in LEFT_OUT) if judges else 0,
        cut={why: count for name, why in CUT.items() if (count := total(samples, name))} if judges else {},
        ways={name: _way(samples, signal, every, fed_later=judges) for name, every in exporters.items()},
        onward=_onward(list(exporters)),
    )


def _undecided(samples: Sequence[Sample]) -> float:
    """Return how many traces are in memory; the gauge is a second old."""
    came, went = total(samples, f"{TAIL}_new_trace_id_received"), total(samples, f"{TAIL}_{REMOVED}_count")
    return max(came - went, total(samples, f"{TAIL}_sampling_traces_on_memory"))


def _exporters(samples: Sequence[Sample], signal: str) -> dict[str, list[str]]:
    """Return the exporters with a queue, and only where there are none those that have sent something.

    A page of derived metrics is an exporter too, and has no queue. Those that share the traces are one.
    """
    queued = chosen(samples, "otelcol_exporter_queue_capacity", data_type=signal)
    found = {one.labels.get("exporter", "") for one in queued}
    sent = chosen(samples, f"otelcol_exporter_sent_{UNITS[signal]}")
    names = sorted(found or {one.labels.get("exporter", "") for one in sent})
    ways: dict[str, list[str]] = {}
    for name in names:
        ways.setdefault(LOAD_BALANCING if name.startswith(LOAD_BALANCING) else name, []).append(name)
    return ways


def _onward(exporters: Sequence[str]) -> str:
    """Return the exporter that sends to the next hop of ours."""
    first = (
        *(name for name in exporters if name == LOAD_BALANCING),
        *(name for name in exporters if name.endswith(OURS)),
        *(name for name in exporters if name.startswith(OTLP)),
        *exporters,
        "",
    )
    return first[0]


def _way(samples: Sequence[Sample], signal: str, exporters: Sequence[str], *, fed_later: bool) -> Way:
    unit = UNITS[signal]
    dropped: dict[str, float] = {}

    def one(name: str, exporter: str, **labels: str) -> float:
        return total(samples, f"otelcol_exporter_{name}", exporter=exporter, **labels)

    sent = waiting = flying = 0.0
    for exporter in exporters:
        for failed in chosen(samples, f"otelcol_exporter_send_failed_{unit}", exporter=exporter):
            kind = failed.labels.get("error_type", "")
            if failed.value and kind != SHUTDOWN:
                reason = f"{exporter} gave up{f' ({kind})' if kind and kind != '_OTHER' else ''}"
                dropped[reason] = dropped.get(reason, 0) + failed.value
        unqueued = one(f"enqueue_failed_{unit}", exporter)
        if unqueued and fed_later:  # Whoever sent them was told long ago that they were taken.
            dropped[f"the queue of {exporter} was full"] = unqueued
        sent += one(f"sent_{unit}", exporter)
        waiting += one("queue_size", exporter, data_type=signal)
        flying += one("in_flight_requests", exporter, data_type=signal)
    return Way(sent=sent, dropped=dropped, holds=waiting > 0 or flying > 0, bytes=waiting)


def _refused(samples: Sequence[Sample], unit: str) -> dict[str, float]:
    found = {
        "the collector took no more": total(samples, f"otelcol_receiver_refused_{unit}", receiver=OTLP),
        "an error in the collector": total(samples, f"otelcol_receiver_failed_{unit}", receiver=OTLP),
    }
    return {reason: count for reason, count in found.items() if count}
