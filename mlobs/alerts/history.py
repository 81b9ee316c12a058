"""What fired, from when until when, whoever was told: in the outbox's file.

Edge: this writes to the disk, inside the transaction it is given. Bounded: the oldest go first.
"""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from mlobs.alerts.message import iso
from mlobs.alerts.outbox import Outbox

EPISODES_MAX = 5_000
SHOWN = ("rule", "severity", "summary", "labels", "value", "trace_ids")
MORE = ("value_text", "peak", "since", "top", "end")


def note(
    db: sqlite3.Connection,
    *,
    source: str,
    fingerprint: str,
    status: str,
    at_s: float,
    said: Mapping[str, Any],
) -> None:
    """Write down that an alert began, or that it is over.

    Args:
        db: The outbox's connection, with a transaction begun.
        source: Who found it.
        fingerprint: Of the alert.
        status: firing or resolved.
        at_s: When.
        said: What is shown of it, with the keys in `SHOWN` and, as far as they are known, in `MORE`; of an
            end, why it ended, as `end`.
    """
    if status == "resolved":
        if said.get("peak") is not None:
            rise(db, source, fingerprint, said["peak"])
        db.execute(
            "UPDATE episodes SET ended_s = ?, shown = json_set(shown, '$.end', json(?)) "
            "WHERE source = ? AND fingerprint = ? AND ended_s IS NULL",
            (at_s, json.dumps(said.get("end"), ensure_ascii=True), source, fingerprint),
        )
        return
    shown = {**{name: said[name] for name in SHOWN}, **{name: said.get(name) for name in MORE}}
    text = json.dumps(shown, ensure_ascii=True)
    db.execute(
        "INSERT INTO episodes (source, fingerprint, began_s, shown) VALUES (?, ?, ?, ?)",
        (source, fingerprint, at_s, text),
    )
    db.execute("DELETE FROM episodes WHERE number <= (SELECT max(number) FROM episodes) - ?", (EPISODES_MAX,))


def rise(db: sqlite3.Connection, source: str, fingerprint: str, peak: Mapping[str, Any]) -> None:
    """Write down the worst that was measured of an alert that fires."""
    db.execute(
        "UPDATE episodes SET shown = json_set(shown, '$.peak', json(?)) "
        "WHERE source = ? AND fingerprint = ? AND ended_s IS NULL",
        (json.dumps(peak, ensure_ascii=True), source, fingerprint),
    )


def last_reason(db: sqlite3.Connection, source: str, fingerprint: str) -> str | None:
    """Return the reason why the latest episode of an alert ended; None if it has not, or nobody knows."""
    found = db.execute(
        "SELECT json_extract(shown, '$.end.reason') FROM episodes "
        "WHERE source = ? AND fingerprint = ? ORDER BY number DESC LIMIT 1",
        (source, fingerprint),
    ).fetchone()
    return None if found is None else found[0]


def recent(
    outbox: Outbox, episodes_max: int, *, source: str | None = None, fingerprint: str | None = None
) -> list[dict[str, Any]]:
    """Return the newest episodes, the newest first; of one alert if that is given."""
    asked = {"source": source, "fingerprint": fingerprint}
    given = {name: value for name, value in asked.items() if value is not None}
    where = " AND ".join(f"{name} = ?" for name in given) or "1"
    rows = outbox.read(
        f"SELECT source, fingerprint, began_s, ended_s, shown FROM episodes WHERE {where} "
        "ORDER BY number DESC LIMIT ?",
        (*given.values(), episodes_max),
    )
    return [
        {
            "source": source,
            "fingerprint": mark,
            "started": iso(began_s),
            "resolved": None if ended_s is None else iso(ended_s),
            **dict.fromkeys(MORE),  # What an older release wrote has less.
            **json.loads(text),
        }
        for source, mark, began_s, ended_s, text in rows
    ]
