"""What the server says of itself and of the programs, as its page of metrics has it, as entries. Pure.

The page adds programs up over their processes, which is all that a Prometheus knows; `programs` has each.
"""

from collections.abc import Mapping, Sequence

from mlobs.semconv import attributes as a
from mlobs.semconv import loss
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric
from mlobs.server.ledger.entries import PROGRAMS, SERVER, SIGNALS, Entry, Way
from mlobs.server.ledger.samples import Sample, chosen, plain, total

RECEIVED, STORED = "received", "stored"
SET_ASIDE = "set aside, for the store refuses it"
STARTED = "process_start_time_seconds"


def server_entry(
    place: str,
    signal: str,
    began_s: float | None,
    taken: Mapping[str, float],
    settled: Mapping[str, float],
    bytes_: float,
) -> Entry:
    """Return what a server says of a signal.

    Args:
        place: Names it.
        signal: One of SIGNALS.
        began_s: When its process began.
        taken: Items by origin.
        settled: Items by fate.
        bytes_: Those of its journal.
    """
    lost = sum(count for fate, count in settled.items() if fate != STORED)
    way = Way(
        sent=settled.get(STORED, 0), dropped={SET_ASIDE: lost} if lost else {}, holds=bytes_ > 0, bytes=bytes_
    )
    own = sum(count for origin, count in taken.items() if origin != RECEIVED)
    return Entry(SERVER, place, signal, began_s, came=taken.get(RECEIVED, 0), own=own, ways={"": way})


def of_page(samples: Sequence[Sample], place: str) -> list[Entry]:
    """Return what a server's page of metrics says, of itself and of programs."""
    began_s = next((one.value for one in chosen(samples, STARTED)), None)
    found = []
    for signal in SIGNALS:
        labels = {a.SIGNAL.label: signal}
        pending = total(samples, m.SERVER_PENDING_BYTES.prometheus, **labels)
        taken = _by(samples, loss.SERVER_ITEMS_TAKEN, a.ORIGIN.label, labels)
        settled = _by(samples, loss.SERVER_ITEMS_SETTLED, a.FATE.label, labels)
        found.append(server_entry(place, signal, began_s, taken, settled, pending))
    services = {
        one.labels.get(a.SERVICE_NAME.label, "")
        for one in samples
        if one.name in {plain(loss.SDK_MADE.prometheus), plain(loss.SDK_RECORDS_MADE.prometheus)}
    }
    return [*found, *(entry for service in sorted(services) for entry in _programs(samples, service))]


def _programs(samples: Sequence[Sample], service: str) -> list[Entry]:
    labels = {a.SERVICE_NAME.label: service}

    def one(metric: Metric, **more: str) -> float:
        return total(samples, plain(metric.prometheus), **labels, **more)

    spans = program_entry(
        service,
        "traces",
        made=one(loss.SDK_MADE),
        exported=one(m.SDK_EXPORTED),
        dropped=_by(samples, m.SDK_DROPPED, a.SDK_DROPPED.label, labels),
        waiting=one(loss.SDK_WAITING),
        spooled=one(loss.SDK_SPOOLED),
        unspooled=one(loss.SDK_UNSPOOLED),
    )
    records = [
        program_entry(
            service,
            signal,
            made=one(loss.SDK_RECORDS_MADE, **{a.SIGNAL.label: signal}),
            exported=one(loss.SDK_RECORDS_EXPORTED, **{a.SIGNAL.label: signal}),
            dropped=_by(
                samples, loss.SDK_RECORDS_DROPPED, a.SDK_DROPPED.label, {**labels, a.SIGNAL.label: signal}
            ),
        )
        for signal in ("metrics", "logs")
    ]
    return [spans, *records]


def program_entry(
    place: str,
    signal: str,
    *,
    made: float,
    exported: float,
    dropped: Mapping[str, float],
    waiting: float | None = None,
    spooled: float = 0,
    unspooled: float = 0,
    began_s: float | None = None,
    lives: bool = True,
) -> Entry:
    """Return what a program says of a signal.

    Args:
        place: Names it.
        signal: One of SIGNALS.
        made: What it made.
        exported: What the endpoint accepted.
        dropped: What is lost, by reason.
        waiting: What is in memory; None if it does not say.
        spooled: What it put on the disk.
        unspooled: What it brought from there.
        began_s: When its counters began.
        lives: Whether it still says something: what is in the memory of one that ended is lost.
    """
    lost = {reason: count for reason, count in dropped.items() if count}
    if waiting is None:
        waiting = max(0.0, made - exported - sum(lost.values()))
    if not lives and waiting:
        lost["the program ended"], waiting = waiting, 0.0
    way = Way(sent=exported, dropped=lost, waiting=waiting, holds=waiting > 0)
    return Entry(PROGRAMS, place, signal, began_s, came=made, own=unspooled, parked=spooled, ways={"": way})


def _by(samples: Sequence[Sample], metric: Metric, label: str, labels: Mapping[str, str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in chosen(samples, plain(metric.prometheus), **labels):
        key = one.labels.get(label, "")
        found[key] = found.get(key, 0) + one.value
    return found
