"""Shapes what arrives, by service: data in, data out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlobs.semconv import attributes as a
from mlobs.semconv import loss
from mlobs.semconv import metrics as m
from mlobs.server.ask.ranges import NS
from mlobs.server.pages.amounts import stamp
from mlobs.server.pages.links import address, term

Row = Mapping[str, Any]
DOCTOR = "mlobs-doctor"  # Whose spans only show that they arrive.
QUIET_S = 600
RECENT_MINUTES = 15
DROPS = {m.SDK_DROPPED.name: "spans", loss.SDK_RECORDS_DROPPED.name: "log records"}
# With more than this share left out, it is no exception.
SHARE_TOLD = 0.02


@dataclass(frozen=True, slots=True)
class Finding:
    """What is not as it could be.

    Attributes:
        text: What, and what to do.
        mark: bad, warn, or "" for what is only worth knowing.
        address: Of the traces that show it; "" for none.
    """

    text: str
    mark: str = ""
    address: str = ""


def services(
    arrived: Sequence[Row],
    recent: Sequence[Row],
    others: Sequence[Row],
    sample: Sequence[Row],
    programs: Sequence[Row],
    now_s: float,
    since: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return a row for each service that sent anything, those with most spans first.

    Args:
        arrived: Rows of `queries/page_arrivals.sql`.
        recent: The same of the last RECENT_MINUTES, whatever the range is.
        others: Rows of `queries/page_arrivals_others.sql`.
        sample: Rows of `queries/page_arrivals_sample.sql`.
        programs: Rows of `queries/metric_latest.sql`.
        now_s: The clock.
        since: The range, as addresses say it.
    """
    signals: dict[str, dict[str, int]] = {}
    for row in others:
        signals.setdefault(row["service"], {})[row["signal"]] = row["last_ns"]
    looked = {row["service"]: row for row in sample}
    lost, now = _lost(programs), {row["service"]: row for row in recent}
    found = [
        _service(
            row,
            now.get(row["service"]),
            signals.get(row["service"], {}),
            looked.get(row["service"]),
            lost,
            now_s,
            since,
        )
        for row in arrived
    ]
    traced = {row["service"] for row in arrived}
    silent = [name for name in signals if name not in traced]
    return [*found, *(_without_spans(name, signals[name]) for name in sorted(silent))]


def _service(
    row: Row,
    now: Row | None,
    signals: Mapping[str, int],
    looked: Row | None,
    lost: Mapping[str, list[Finding]],
    now_s: float,
    since: Mapping[str, str],
) -> dict[str, Any]:
    # A minute says when it begins, and a span in it may be as new as its end. When just it came is known
    # of those that were looked at.
    last_s = max(row["last_s"], now["last_s"]) if now else row["last_s"]
    last_ns = max(last_s * NS, looked["last_ns"] if looked else 0)
    return {
        "name": row["service"],
        "last": stamp(last_ns),
        "quiet": now_s - last_s - 60 > QUIET_S,
        "spans": row["spans"],
        "per_minute": now["spans"] / RECENT_MINUTES if now else 0.0,
        "logs": stamp(signals["logs"]) if "logs" in signals else "",
        "metrics": stamp(signals["metrics"]) if "metrics" in signals else "",
        "scopes": looked["scopes"] if looked else [],
        "languages": [name for name in looked["languages"] if name] if looked else [],
        "address": address("/traces", since, q=term("service", row["service"])),
        "findings": []
        if row["service"] == DOCTOR
        else [*lost.get(row["service"], ()), *_left_out(row, looked, since)],
    }


def _without_spans(name: str, signals: Mapping[str, int]) -> dict[str, Any]:
    return {
        "name": name,
        "last": "",
        "quiet": False,
        "spans": 0,
        "per_minute": 0.0,
        "logs": stamp(signals["logs"]) if "logs" in signals else "",
        "metrics": stamp(signals["metrics"]) if "metrics" in signals else "",
        "scopes": [],
        "languages": [],
        "address": "",
        "findings": [Finding("No span of it came: OTEL_TRACES_EXPORTER may be none, or nothing is traced.")],
    }


def _left_out(row: Row, looked: Row | None, since: Mapping[str, str]) -> list[Finding]:
    of_service = term("service", row["service"])
    found = []

    def told(name: str, sentence: str, question: str, mark: str = "warn") -> None:
        count = row[name]
        if row["calls"] and count / row["calls"] > SHARE_TOLD:
            where = address("/traces", since, q=f"{of_service} {question}") if question else ""
            found.append(Finding(f"{count:,} of {row['calls']:,} model calls {sentence}", mark, where))

    told("nameless", f"name no model: set {a.REQUEST_MODEL.name}.", "kind:llm -model:*")
    told(
        "uncounted",
        "tell no tokens: mlobs.usage(response.usage), and of streams ask for usage.",
        "kind:llm -tokens:*",
    )
    told("unpriced", "with tokens tell no cost; the page Cost works it out.", "", "")
    if not row["roots"]:
        found.append(
            Finding("No trace begins here: the caller's spans do not arrive, or it is not traced.", "warn")
        )
    if row["service"].startswith("unknown_service") or not row["service"]:
        found.append(Finding("It has no name: set OTEL_SERVICE_NAME.", "warn"))
    if looked:
        if row["calls"] and not looked["content"]:
            found.append(Finding("What is said is not recorded: MLOBS_CONTENT=redacted records it."))
        if row["calls"] and not looked["sessions"]:
            found.append(Finding("No span names its session: with mlobs.session(id, user=user): ..."))
        if not looked["versioned"]:
            found.append(
                Finding(
                    "It tells no version, which releases are compared by: "
                    "OTEL_RESOURCE_ATTRIBUTES=service.version=1.2.3."
                )
            )
    return found


def _lost(programs: Sequence[Row]) -> dict[str, list[Finding]]:
    """Return what programs say that they could not deliver."""
    found: dict[str, list[Finding]] = {}
    for row in programs:
        count = row["counter"]
        if row["metric"] in DROPS and count:
            why = row["labels"].get(a.SDK_DROPPED.label, "")
            found.setdefault(row["service"], []).append(
                Finding(f"{count:,.0f} {DROPS[row['metric']]} were lost in the program: {why}.", "bad")
            )
    return found
