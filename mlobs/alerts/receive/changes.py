"""Which alerts changed: one notification per change of state, whatever order webhooks come in.

Senders deliver at least once, two replicas send the same, a proxy may reorder. So what comes is
judged by the times in it, when an episode began and ended, and not by when it comes:

* what says firing while the alert fires, or resolved while it is resolved, is a repeat;
* a firing whose episode is known to be over came late: its resolve, or one of a later episode,
  was here before;
* a resolve that ended before the present episode began is of an earlier one, and late too;
* a resolve of an alert nobody was told of is kept, so that its late firing is known as such, and
  told to nobody: there is nothing left to do.

Nothing is on its way for longer than `REORDERED_US_MAX`, so a firing that comes later than that after
the resolve was heard is no late one: the alert fires again, though its episode began when it did
before. Alertmanager sends just that once it hears again of an alert that it had let end, because
Prometheus was cut off. What the resolve said is taken back then, and a copy of it that still
comes is late.

A firing with a start nobody has seen is always told: a page too many is better than one missing. Two
limits follow from judging by times alone:

* An alert that fires again with its former start, sooner than `REORDERED_US_MAX` after its resolve was
  heard, looks like a late firing, and nothing in the message tells the two apart. Nor does the time at which
  it was signed: Alertmanager signs nothing, and who tries an old message again signs it anew. So `again`
  keeps it, and tells it once no firing can be on its way any longer, if no resolve came after it. A second
  copy of a firing that was told, sent once by one sender and overtaken by its resolve, pages falsely then.
* Of two replicas of a sender of which one is cut off, one says firing and the other resolved in turns. If
  they do so more slowly than that, each turn is told; a route's damping of what flaps bounds it.
"""

from dataclasses import dataclass
from typing import Literal

from mlobs.alerts.receive.formats import Event, Status

FUTURE_US_MAX = 300_000_000  # A sender's clock may be ahead by as much.
REORDERED_US_MAX = 300_000_000  # A message may be overtaken by what was sent as much later.

Verdict = Literal["changed", "repeated", "late"]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an alert.

    Args:
        status: What was heard last, by the senders' times.
        starts_us: When the latest episode that was heard of began.
        seen_us: When a webhook last had it.
        over_us: When its resolve was first heard, while it is resolved; a late firing changes nothing.
        undone_us: When it ended, as its resolve said; kept while it fires again in the same episode.
    """

    status: Status
    starts_us: int
    seen_us: int
    over_us: int = 0
    undone_us: int = 0


def judge(known: Known | None, event: Event, now_us: int) -> tuple[Known, Verdict]:
    """Return what is known of an alert after a message about it, and what the message was.

    Args:
        known: What was known, or None.
        event: The message.
        now_us: When it came. Times far after it are mistakes, and cut to what a clock may be ahead.
    """
    latest_us = now_us + FUTURE_US_MAX
    starts_us = min(event.starts_us, latest_us)
    if event.status == "firing":
        return _firing(known, starts_us, now_us)
    ends_us = min(now_us if event.ends_us is None else event.ends_us, latest_us)
    return _resolved(known, starts_us, ends_us, now_us)


def _firing(known: Known | None, starts_us: int, now_us: int) -> tuple[Known, Verdict]:
    if known is None:
        return Known("firing", starts_us, now_us), "changed"
    if known.status == "firing":
        begun_us = max(known.starts_us, starts_us)
        undone_us = known.undone_us if begun_us == known.starts_us else 0
        return Known("firing", begun_us, now_us, undone_us=undone_us), "repeated"
    if starts_us > known.starts_us:
        return Known("firing", starts_us, now_us), "changed"
    if abs(now_us - known.over_us) <= REORDERED_US_MAX:  # far before it: the clock was set back
        return Known("resolved", known.starts_us, now_us, known.over_us, known.undone_us), "late"
    return Known("firing", known.starts_us, now_us, undone_us=known.undone_us), "changed"


def _resolved(known: Known | None, starts_us: int, ends_us: int, now_us: int) -> tuple[Known, Verdict]:
    if known is None:
        return Known("resolved", starts_us, now_us, now_us, ends_us), "late"
    if known.status == "firing":
        of_an_earlier = starts_us < known.starts_us and ends_us <= known.starts_us
        if of_an_earlier or (starts_us <= known.starts_us and ends_us <= known.undone_us):
            return Known("firing", known.starts_us, now_us, undone_us=known.undone_us), "late"
        return Known("resolved", max(known.starts_us, starts_us), now_us, now_us, ends_us), "changed"
    over_us = now_us if starts_us > known.starts_us else known.over_us
    undone_us = max(known.undone_us, ends_us)
    return Known("resolved", max(known.starts_us, starts_us), now_us, over_us, undone_us), "repeated"
