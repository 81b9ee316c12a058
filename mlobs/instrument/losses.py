"""What is said about spans that are lost when a program ends: how many, why, and what to do about it."""

from collections.abc import Mapping

from mlobs.instrument.outbox import BYTES_MAX
from mlobs.instrument.transport.answers import Answer
from mlobs.settings import SdkSettings, variable

WHY = {
    "unreachable": "not taken in time",
    "rejected": "refused",
    "shutdown": "left when the time was over",
    "unanswered": "sent and not answered",
    "queue_full": "too many to wait",
    "queue_heavy": "too large to wait",
    "encoding": "not written",
    "mistake": "lost by a fault of mlobs",
    "spool_full": "too many for the spool",
    "spool_corrupt": "damaged in the spool",
}


def sentence(lost: Mapping[str, int], last: Answer | None, address: str) -> str:
    """Return what to tell about lost spans, empty where none are lost.

    Args:
        lost: How many, by reason: those of the counts, and "unanswered".
        last: The last answer; None while the first one is awaited.
        address: Where spans are sent.
    """
    found = {reason: count for reason, count in lost.items() if count}
    total = sum(found.values())
    if not total:
        return ""
    many = f"{total} span was lost" if total == 1 else f"{total} spans were lost"
    parts = ", ".join(f"{count} {WHY.get(reason, reason)}" for reason, count in found.items())
    kinds = f" ({parts})" if len(found) > 1 else ""
    return f"{many}{kinds}: {_because(found, last, address)}"


def fault(last: Answer, address: str, *, wait: bool = False) -> str:
    """Return what an endpoint does not take, why and what to do; empty where it takes everything.

    Args:
        last: What it answered.
        address: Where it is.
        wait: Whether the spans are kept meanwhile.
    """
    words, remedy = last.words.rstrip("."), f" {last.remedy}" if last.remedy else ""
    if last.outcome in {"retry", "unreachable"}:
        return f"{address} does not take spans ({words}){'; they wait' if wait else ''}.{remedy}"
    if last.outcome != "accepted":
        return f"{address} answered {words}.{remedy}"
    said = f" and said: {words}" if words else ""
    return f"{address} refused {last.refused} of the spans of a request{said}." if last.refused else ""


def _because(found: Mapping[str, int], last: Answer | None, address: str) -> str:
    """Return the last answer's fault and its remedy; where it has none, those of the largest loss."""
    if found.get("unanswered") and (last is None or last.outcome == "accepted"):
        return f"{address} gave no answer in time. Look at the log of what listens there."
    if last is not None and (told := fault(last, address)):
        return told
    reason = max(found, key=lambda reason: found[reason])
    if reason == "queue_full":
        return f"they came faster than they went. {variable(SdkSettings, 'queue_spans_max')} lets more wait."
    if reason == "queue_heavy":
        spool = variable(SdkSettings, "spool")
        return f"{BYTES_MAX >> 20} MB waited in memory already. {spool} keeps more on the disk."
    if reason == "shutdown":
        return "the time for sending them was over. mlobs.shutdown(seconds) allows more."
    if reason in {"unreachable", "spool_full"}:
        field = "spool" if reason == "unreachable" else "spool_bytes_max"
        return f"{address} was away for too long. {variable(SdkSettings, field)} keeps more on the disk."
    subject = "it was" if found[reason] == 1 else "they were"
    return f"{subject} {WHY.get(reason, reason)}. The log said why when it happened."
