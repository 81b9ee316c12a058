"""What was counted between two readings. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from mlobs.server.ledger.entries import PROGRAMS, SERVER, Entry, Way

SLACK_S = 2.0  # A start that is told as an age is read twice with so much difference at most.


def between(then: Iterable[Entry], now: Iterable[Entry], then_s: float) -> list[Entry]:
    """Return what each process counted between two readings.

    Programs are not subtracted: what the server says of them is of the time since already.

    Args:
        then: The first reading.
        now: The second.
        then_s: When the first was, in seconds since 1970.
    """
    before = {(one.hop, one.place, one.signal): one for one in then if one.hop != PROGRAMS}
    found = []
    for one in now:
        if one.hop == PROGRAMS:
            found.append(one)
            continue
        first = before.pop((one.hop, one.place, one.signal), None)
        if first is not None:
            found.append(_grown(first, one))
        else:
            new = one.began_s is not None and one.began_s > then_s - SLACK_S
            found.append(replace(one, complete=new))
    # What is gone has counted more, and nobody can ask it.
    return found + [replace(one, complete=False, came=0, own=0, ways={}) for one in before.values()]


def _grown(then: Entry, now: Entry) -> Entry:
    if not _is_same(then, now):
        return _restarted(then, now)
    return replace(
        now,
        came=now.came - then.came,
        own=now.own - then.own,
        parked=now.parked - then.parked,
        refused=_less(now.refused, then.refused),
        filtered=_less(now.filtered, then.filtered),
        kept=None if now.kept is None else now.kept - (then.kept or 0),
        left_out=now.left_out - then.left_out,
        cut=_less(now.cut, then.cut),
        ways={name: _way(then.ways.get(name, Way()), way) for name, way in now.ways.items()},
    )


def _is_same(then: Entry, now: Entry) -> bool:
    """Return whether both are of one life of a process: counters never go back."""
    if then.began_s is not None and now.began_s is not None and now.began_s > then.began_s + SLACK_S:
        return False
    return now.came >= then.came and now.way.sent >= then.way.sent


def _restarted(then: Entry, now: Entry) -> Entry:
    """Return what is known of a process that was started again; the server's tables outlive it."""
    if now.hop != SERVER or now.rows is None or then.rows is None:
        return replace(now, complete=False, samples=then.samples or now.samples)
    stored = now.rows - then.rows
    lost = sum(now.way.dropped.values())
    way = replace(now.way, sent=stored)
    note = "was started again; what it took is counted by the rows of its tables"
    return replace(now, came=stored + lost, own=0, ways={"": way}, notes=(*now.notes, note))


def _way(then: Way, now: Way) -> Way:
    return replace(now, sent=now.sent - then.sent, dropped=_less(now.dropped, then.dropped))


def _less(now: Mapping[str, float], then: Mapping[str, float]) -> dict[str, float]:
    found = {reason: count - then.get(reason, 0) for reason, count in now.items()}
    return {reason: count for reason, count in found.items() if count}
