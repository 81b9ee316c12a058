"""Answers what became of messages, and puts dead letters back: for a server's API and for the command line.

Pure but for the outbox and the courier it is given.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from mlobs.alerts.delivery import Courier
from mlobs.alerts.letters import STATES, Delivery
from mlobs.alerts.message import iso
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.states import SECONDS_MAX
from mlobs.errors import PayloadError, QueryError

LIMIT_DEFAULT = 50
LIMIT_MAX = 10_000
IDS_MAX = 500  # SQLite takes an expression of a thousand parts at most
ID_CHARACTERS_MIN = 6
REDRIVE_WANTED = (
    '{"ids": ["..."], "sink": "NAME", "since_s": seconds since 1970, "overtaken": false} was wanted, with at '
    "least ids, sink or since_s"
)


class Desk:
    """One outbox, and who delivers from it.

    Args:
        outbox: The file.
        courier: Knows how the sinks are; None if another process delivers.
        clock: Seconds since 1970.
    """

    def __init__(self, outbox: Outbox, courier: Courier | None, clock: Callable[[], float]) -> None:
        self._outbox = outbox
        self._courier = courier
        self._clock = clock

    def deliveries(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the sinks and the newest deliveries.

        Args:
            query: `sink`, `state` and `limit`, each of which may be left out.

        Raises:
            QueryError: There is no such state, or the limit is no number.
        """
        state, limit = query.get("state") or None, query.get("limit") or str(LIMIT_DEFAULT)
        if state is not None and state not in STATES:
            raise QueryError(f"state={state[:40]!r} came; one of {', '.join(STATES)} was wanted.")
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= LIMIT_MAX):
            raise QueryError(f"limit={limit[:40]!r} came; a number from 1 to {LIMIT_MAX} was wanted.")
        found = self._outbox.recent(int(limit), sink=query.get("sink") or None, state=state)
        return {"sinks": self._sinks(), "deliveries": [shown(one) for one in found]}

    def redrive(self, body: bytes) -> dict[str, Any]:
        """Put dead letters back and return their ids.

        Args:
            body: JSON, as in `REDRIVE_WANTED`.

        Raises:
            PayloadError: It is something else.
        """
        try:
            given = orjson.loads(body)  # takes no half characters, which could not be looked for
        except orjson.JSONDecodeError:
            given = None
        if not isinstance(given, dict) or not _fits(given):
            raise PayloadError(f"The body is not what says which dead letters to put back; {REDRIVE_WANTED}.")
        sink = given.get("sink")
        done = self._outbox.redrive(
            now_s=self._clock(),
            ids=given.get("ids", ()),
            sink=sink,
            since_s=given.get("since_s"),
            overtaken=given.get("overtaken", False),
        )
        if self._courier is not None and done.ids:
            self._courier.probe(sink)
        return {"redriven": list(done.ids), "overtaken": done.overtaken}

    def _sinks(self) -> list[dict[str, Any]]:
        if self._courier is not None:
            return self._courier.now()
        held = self._outbox.held()
        return [
            {"sink": name, "state": "unknown"}
            | {state: held.get((name, state), 0) for state in ("waiting", "dead")}
            for name in dict.fromkeys(name for name, _ in held)
        ]


def shown(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery as the API shows it."""
    return {
        "id": delivery.id,
        "sink": delivery.sink,
        "rule": delivery.rule,
        "status": delivery.status,
        "state": delivery.state,
        "made": iso(delivery.made_s),
        "attempts": delivery.attempts,
        "ended": None if delivery.ended_s is None else iso(delivery.ended_s),
        "next": iso(max(delivery.next_s, delivery.made_s)) if delivery.state == "waiting" else None,
        "answer": delivery.answer,
        "fingerprint": delivery.fingerprint,
    }


def _fits(given: Mapping[str, Any]) -> bool:
    ids, sink, since_s = given.get("ids", []), given.get("sink"), given.get("since_s")
    if set(given) - {"ids", "sink", "since_s", "overtaken"} or not (ids or sink or since_s is not None):
        return False
    whole = isinstance(ids, list) and len(ids) <= IDS_MAX
    named = sink is None or isinstance(sink, str)
    timed = since_s is None or (type(since_s) in {int, float} and 0 <= since_s <= SECONDS_MAX)
    return (
        whole
        and named
        and timed
        and all(isinstance(one, str) and len(one) >= ID_CHARACTERS_MIN for one in ids)
        and isinstance(given.get("overtaken", False), bool)
    )
