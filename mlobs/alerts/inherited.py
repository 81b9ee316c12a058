"""What an older version remembered of routes and webhooks, brought into the tables of this one.

Edge: this is SQLite, inside the transaction it is given. The older tables were called `routing` and
`received`. They had no moment at which an alert from elsewhere was heard to end, and called it as its
sender did: one that fires keeps that name until it ends. Of a group they knew only who was told of any of
it: each alert of it that does not wait is taken to have been told to those.
"""

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from mlobs.alerts.routing.heard import FORGOTTEN_S
from mlobs.alerts.routing.memory import Memory


def inherit(db: sqlite3.Connection, clock: Callable[[], float]) -> None:
    """Bring older tables up to date, if there are any.

    Args:
        db: A connection with a transaction begun, to a file that has the tables of this version.
        clock: Seconds since 1970; asked only if there are any.
    """
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "received" in tables:
        db.execute(
            "INSERT OR IGNORE INTO received_alerts SELECT source, fingerprint, status, starts_us, seen_us, "
            "CASE status WHEN 'resolved' THEN seen_us ELSE 0 END, 0, NULL FROM received"
        )
        db.execute(
            "INSERT OR IGNORE INTO former_names SELECT source, fingerprint FROM received "
            "WHERE status = 'firing'"
        )
        db.execute("DROP TABLE received")
    if "routing" in tables:
        _routing(db, clock())
        db.execute("DROP TABLE routing")


def _routing(db: sqlite3.Connection, now_s: float) -> None:
    state = Memory(db)
    found = db.execute("SELECT kind, of, key, row, due_s FROM routing ORDER BY number").fetchall()
    groups: dict[str, dict[str, Any]] = {}
    told: dict[str, list[str]] = {}
    waiting: dict[tuple[str, str], str] = {}
    active: list[tuple[str, str]] = []
    for kind, of, key, text, due_s in found:
        row = json.loads(text)
        if kind == "open" and ":" not in key:  # A group's; an alert is named by source and fingerprint.
            told[key] = row["sinks"]
            groups.setdefault(key, {"route": of, "by": {}, "group": key})
        elif kind in {"open", "flap"}:
            state.put(kind, key, of, {**row, "route": of}, due_s=due_s)
        elif kind == "active":
            active.append((of, key))
        else:
            state.put(kind, of, key, row, due_s=due_s)
        if kind == "group":
            groups[row["group"]] = row
        elif kind == "member":
            waiting[of.removesuffix("/quiet"), key] = row["status"]
    ended = [place for place, status in waiting.items() if status == "resolved"]
    for group, mark in (*active, *ended):
        sinks = [] if waiting.get((group, mark)) == "firing" else told.get(group, [])
        fires = (group, mark) not in ended
        if group in groups and (sinks or fires):
            _heard(state, groups[group], mark, sinks, fires=fires, due_s=now_s + FORGOTTEN_S)


def _heard(
    state: Memory, row: dict[str, Any], mark: str, sinks: list[str], *, fires: bool, due_s: float
) -> None:
    group = row["group"]
    state.put("heard", group, mark, {"sinks": sinks}, due_s=due_s)
    state.put("within", mark, group, row, due_s=due_s)
    for sink in sinks if fires else ():
        state.put("fires", f"{group}/{sink}", mark, {}, due_s=due_s)
