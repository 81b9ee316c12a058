"""Ends by hand what was told from elsewhere and whose end never came, as when its sender is gone.

Edge: this is SQLite. Whoever delivers from the file, in this process or another, tells the end to those who
were told of the beginning, with the next look at what is due; until then it waits in the file.

Only an alert from elsewhere can be ended. One that this server's own rule finds ends once the rule no longer
holds: until then an end would be untrue, and the next evaluation would tell it anew.

An end by hand is no silence. If its sender goes on to say that it fires, it is told again, with a word that
it was ended by hand: whoever ended it took it for over, and nobody else would tell them that it is not. So
PagerDuty opens a new incident when an event comes for one that was resolved. A repeat that comes sooner than
`REORDERED_US_MAX` may have been sent before the end, so `again` keeps it for that long; one that comes later
is told at once. What its sender says of its end after that is a repeat, and told to nobody.
"""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mlobs.alerts import history
from mlobs.alerts.ends import Ended
from mlobs.alerts.message import iso
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.receive import again, ledger
from mlobs.alerts.receive.changes import Known
from mlobs.alerts.receive.formats import Event
from mlobs.alerts.receive.wording import message
from mlobs.alerts.routing.memory import Memory
from mlobs.alerts.routing.waiting_ends import tell_later
from mlobs.alerts.silencing import WHO_CHARACTERS_MAX, WHY_CHARACTERS_MAX, refuse_halves, words
from mlobs.errors import PayloadError

FINGERPRINT_CHARACTERS_MIN = 6
FIELDS = ("source", "fingerprint", "who", "why")
SHOWN_MAX = 5
NOTICE = "by_hand"
WANTED = '{"fingerprint": "...", "who": "NAME", "why": "..."} was wanted, with source if it is needed'


class ByHand:
    """Ends alerts of a file of deliveries.

    Args:
        outbox: The file, with the tables of routing and of what was received.
        clock: Seconds since 1970.
    """

    def __init__(self, outbox: Outbox, clock: Callable[[], float]) -> None:
        self._outbox = outbox
        self._clock = clock

    def end(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """End an alert from elsewhere that fires, and return what was ended and why.

        Args:
            given: `fingerprint`, or its first six characters or more, `who`, `why` and perhaps `source`.

        Raises:
            PayloadError: There is none, it is not from elsewhere, or something is missing.
            StoreError: It cannot be written down.
        """
        unknown = set(given) - set(FIELDS)
        if unknown:
            raise PayloadError(f"{sorted(unknown)[0][:40]!r} came, which no end has; {WANTED}.")
        refuse_halves(given, WANTED)
        mark = words(given, "fingerprint", 256, WANTED)
        if len(mark) < FINGERPRINT_CHARACTERS_MIN:
            raise PayloadError(
                f"The fingerprint {mark!r} is too short to be meant; give its first "
                f"{FINGERPRINT_CHARACTERS_MIN} characters or more."
            )
        who = words(given, "who", WHO_CHARACTERS_MAX, WANTED)
        why = words(given, "why", WHY_CHARACTERS_MAX, WANTED)
        source = str(given.get("source") or "")
        now_s = self._clock()
        with self._outbox.transaction() as db:
            one = self._meant(db, mark, source)
            return self._end(db, one, f"Ended by hand by {who}: {why.rstrip('.')}.", now_s)

    def _meant(self, db: sqlite3.Connection, mark: str, source: str) -> ledger.Firing:
        """Return the one alert from elsewhere that is meant.

        Raises:
            PayloadError: It is none, or several.
        """
        found = [one for one in ledger.firing_as(db, mark) if source in {"", one.source}]
        exact = [one for one in found if one.fingerprint == mark]
        found = exact or found
        if len(found) == 1:
            return found[0]
        if found:
            some = ", ".join(f"{one.source} {one.fingerprint}" for one in found[:SHOWN_MAX])
            raise PayloadError(
                f"{mark[:40]!r} fits {len(found)} alerts ({some}); give more of the fingerprint, or "
                "the source."
            )
        for alert in self._outbox.alerts():
            if source in {"", "mlobs"} and alert.fingerprint.startswith(mark):
                raise PayloadError(
                    f"{alert.rule} is found by a rule of this server, and ends by itself once the rule no "
                    "longer holds; an end by hand would be untrue. To hear nothing of it until then, silence "
                    f"it: mlobs alerts silence alertname={alert.rule} --for 2h --why TEXT, or the button of "
                    "its page."
                )
        raise PayloadError(
            f"No alert from elsewhere fires with the fingerprint {mark[:40]!r}; it may have ended. "
            "mlobs alerts list has those that fire."
        )

    def _end(self, db: sqlite3.Connection, one: ledger.Firing, said: str, now_s: float) -> dict[str, Any]:
        now_us = round(now_s * 1e6)
        seen = f"Its sender last spoke of it at {iso(one.known.seen_us / 1e6)}, and said no end."
        end = Ended(reason="by_hand", text=f"{said} {seen}").row
        event = Event(
            source=one.source,
            fingerprint=one.fingerprint,
            status="resolved",
            starts_us=one.known.starts_us,
            ends_us=now_us,
            labels=one.shown.get("labels", {}),
            known={**one.shown, "end": end},
        )
        told = message(event, url=one.shown.get("server_url") or "", truncated=0, now_s=now_s)
        # What its sender said of its end, if it did before, stays: an end by hand is by another clock.
        ledger.remember(db, event, replace(one.known, status="resolved", over_us=now_us))
        again.watch(db, (one.source, one.fingerprint), one.known.starts_us, now_us)
        history.note(
            db, source=one.source, fingerprint=one.fingerprint, status="resolved", at_s=now_s, said=told
        )
        tell_later(told, Memory(db), now_s)
        return {name: told[name] for name in ("source", "fingerprint", "rule", "summary", "resolved", "end")}


def was_ended(db: sqlite3.Connection, event: Event, before: Known | None) -> bool:
    """Return whether a firing is of an episode that was ended by hand.

    Args:
        db: The outbox's connection, with a transaction begun.
        event: What fires.
        before: What was known of its alert.
    """
    if before is None or before.status != "resolved" or event.starts_us > before.starts_us:
        return False
    return history.last_reason(db, event.source, event.fingerprint) == "by_hand"
