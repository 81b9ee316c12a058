"""What programs say of themselves, process by process, as the server's tables have it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlobs.semconv import loss
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric
from mlobs.server.ledger.entries import Entry, Way
from mlobs.server.ledger.own import program_entry

COUNTED: Sequence[Metric] = (
    loss.SDK_MADE, m.SDK_EXPORTED, m.SDK_DROPPED, loss.SDK_SPOOLED, loss.SDK_UNSPOOLED,
    loss.SDK_RECORDS_MADE, loss.SDK_RECORDS_EXPORTED, loss.SDK_RECORDS_DROPPED,
)  # fmt: skip
_OF_SPANS = {loss.SDK_MADE.name, m.SDK_EXPORTED.name, m.SDK_DROPPED.name, loss.SDK_WAITING.name}
SILENT_S = 300.0  # A program that said nothing for so long has ended.
NAME_CHARACTERS = 8  # Of an instance's id, which is long and made by chance.

Row = Mapping[str, Any]


def of_rows(rows: Iterable[Row], now_s: float, since_s: float = 0) -> list[Entry]:
    """Return an entry for each process that lives, and one of each service for those that ended.

    Args:
        rows: Of queries/ledger_programs.sql: `metric`, `service`, `instance`, `signal`, `reason`, `began_s`,
            `last_s`, `value` and `before`.
        now_s: Seconds since 1970.
        since_s: Where counting begins; 0 for the beginning of each.
    """
    processes: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        processes.setdefault((row["service"], row["instance"]), []).append(row)
    living: list[Entry] = []
    ended: dict[tuple[str, str], list[Entry]] = {}
    for (service, instance), found in processes.items():
        lives = max(float(row["last_s"]) for row in found) > now_s - SILENT_S
        place = f"{service} {instance[:NAME_CHARACTERS]}".strip()
        for entry in _entries(place, found, since_s, lives=lives):
            if lives:
                living.append(entry)
            else:
                ended.setdefault((service, entry.signal), []).append(entry)
    return living + [_together(f"{service}, ended", every) for (service, _), every in ended.items()]


def _entries(place: str, rows: Sequence[Row], since_s: float, *, lives: bool) -> Iterable[Entry]:
    began_s = min((float(row["began_s"]) for row in rows if row["began_s"]), default=None)

    def one(metric: Metric, signal: str = "", value: str = "value") -> float:
        return sum(
            float(row[value]) for row in rows if row["metric"] == metric.name and row["signal"] == signal
        )

    def dropped(metric: Metric, signal: str = "") -> dict[str, float]:
        found: dict[str, float] = {}
        for row in rows:
            if row["metric"] == metric.name and row["signal"] == signal:
                found[row["reason"]] = found.get(row["reason"], 0) + float(row["value"])
        return found

    said = {(row["metric"], row["signal"]) for row in rows}
    if (loss.SDK_MADE.name, "") in said:
        entry = program_entry(
            place,
            "traces",
            made=one(loss.SDK_MADE),
            exported=one(m.SDK_EXPORTED),
            dropped=dropped(m.SDK_DROPPED),
            waiting=one(loss.SDK_WAITING) if _at_once(rows) else None,
            spooled=one(loss.SDK_SPOOLED),
            unspooled=one(loss.SDK_UNSPOOLED),
            began_s=began_s,
            lives=lives,
        )
        older = began_s is not None and began_s < since_s
        yield replace(entry, before=one(loss.SDK_WAITING, value="before") if older else 0.0)
    for signal in ("metrics", "logs"):
        if (loss.SDK_RECORDS_MADE.name, signal) in said:
            yield program_entry(
                place,
                signal,
                made=one(loss.SDK_RECORDS_MADE, signal),
                exported=one(loss.SDK_RECORDS_EXPORTED, signal),
                dropped=dropped(loss.SDK_RECORDS_DROPPED, signal),
                began_s=began_s,
                lives=lives,
            )


def _at_once(rows: Sequence[Row]) -> bool:
    """Return whether a process's counts are of one look: a request may come in parts, one after the other.

    Of two looks, what has been made and is not said to have been sent is taken to wait.
    """
    newest: dict[str, float] = {}
    for row in rows:
        if row["metric"] in _OF_SPANS:
            newest[row["metric"]] = max(newest.get(row["metric"], 0.0), float(row["last_s"]))
    return len(set(newest.values())) == 1


def _together(place: str, entries: Sequence[Entry]) -> Entry:
    """Add up processes that count no more."""
    dropped: dict[str, float] = {}
    for one in entries:
        for reason, count in one.way.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    way = Way(sent=sum(one.way.sent for one in entries), dropped=dropped, waiting=0.0)
    began = [one.began_s for one in entries if one.began_s is not None]
    return replace(
        entries[0],
        place=place,
        began_s=min(began, default=None),
        came=sum(one.came for one in entries),
        own=sum(one.own for one in entries),
        parked=sum(one.parked for one in entries),
        before=sum(one.before for one in entries),
        ways={"": way},
    )
