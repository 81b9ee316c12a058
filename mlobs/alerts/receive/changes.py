"""Which alerts changed: one notification per change of state, whatever order webhooks come in.

Senders deliver at least once, two replicas send the same, a proxy may reorder. So what comes is
judged by the times in it, when an episode began and ended, and not by when it comes:

* what says firing while the alert fires, or resolved while it is resolved, is a repeat;
* a firing whose episode is known to be over came late: its resolve, or one of a later episode,
  was here before;
* a resolve that ended before the present episode began is of an earlier one, and late too;
* a resolve of an alert nobody was told of is kept, so that its late firing is known as such, and
  told to nobody: there is nothing left to do.

A firing with a start nobody has seen is always told: a page too many is better than one missing.
"""

from dataclasses import dataclass
from typing import Literal

from mlobs.alerts.receive.formats import Event, Status

FUTURE_US_MAX = 300_000_000  # A sender's clock may be ahead by as much.

Verdict = Literal["changed", "repeated", "late"]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an alert.

    Args:
        status: What was heard last, by the senders' times.
        starts_us: When the latest episode that was heard of began.
        seen_us: When a webhook last had it.
    """

    status: Status
    starts_us: int
    seen_us: int


def judge(known: Known | None, event: Event, now_us: int) -> tuple[Known, Verdict]:
    """Return what is known of an alert after a message about it, and what the message was.

    Args:
        known: What was known, or None.
        event: The message.
        now_us: When it came. Times far after it are mistakes, and cut to what a clock may be ahead.
    """
    latest_us = now_us + FUTURE_US_MAX
    starts_us = min(event.starts_us, latest_us)
    begun_us = max(known.starts_us, starts_us) if known else starts_us
    if event.status == "firing":
        if known is None or (known.status == "resolved" and starts_us > known.starts_us):
            return Known("firing", starts_us, now_us), "changed"
        return Known(known.status, begun_us, now_us), "repeated" if known.status == "firing" else "late"
    ends_us = min(now_us if event.ends_us is None else event.ends_us, latest_us)
    if known is None:
        return Known("resolved", starts_us, now_us), "late"
    if known.status == "firing" and starts_us < known.starts_us and ends_us <= known.starts_us:
        return Known("firing", known.starts_us, now_us), "late"
    return Known("resolved", begun_us, now_us), "changed" if known.status == "firing" else "repeated"
