"""Makes silences, ends them early, and notes who has taken an alert on.

Edge: this writes to the file of deliveries, where routing finds it with the next message; so it holds for
whoever delivers from the file, in this process or another.
"""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from mlobs.alerts.message import iso
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.routing.matchers import labels_of, matcher
from mlobs.alerts.routing.memory import Memory
from mlobs.alerts.routing.plans import alert_mark
from mlobs.alerts.routing.silence import ALL, ENDED, HOLDS, HUSHED, Silence, add, end, silence_of
from mlobs.errors import PayloadError

ACKED = "acked"
ACKED_S = 90 * 86_400.0
SILENCES_MAX = 1_000
MATCHERS_MAX = 20
MATCHER_CHARACTERS_MAX = 500
UNTIL_S_MAX = 366 * 86_400.0
WHO_CHARACTERS_MAX, WHY_CHARACTERS_MAX = 100, 500
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
LENGTH = re.compile(r"(\d{1,7})\s*([smhdw])")
REPEATED_MAX = 2
REPEATS = re.compile(r"(?<!\\)[*+{]")
GROUP_REPEATS = re.compile(r"(?<!\\)\)[*+{?]")
FIELDS = ("matchers", "for", "until", "who", "why")
WANTED = (
    '{"matchers": ["service_name=\\"shop\\""], "for": "2h", "who": "NAME", "why": "..."} was wanted, with '
    "until and a time in place of for if that is better"
)
TAKEN_WANTED = '{"source": "mlobs", "fingerprint": "...", "who": "NAME", "note": "..."} was wanted'


class Silencing:
    """The silences of a file of deliveries, and who has taken which alert on.

    Args:
        outbox: The file, with the tables of routing.
        clock: Seconds since 1970.
    """

    def __init__(self, outbox: Outbox, clock: Callable[[], float]) -> None:
        self._outbox = outbox
        self._clock = clock

    def listed(self) -> dict[str, Any]:
        """Return the silences: those that hold, the longest first, then those that have ended lately."""
        now_s = self._clock()
        holding = sorted(self._silences(HOLDS), key=lambda one: -one.until_s)
        over = sorted(self._silences(ENDED), key=lambda one: -one.until_s)
        return {
            "silences": [shown(one, holds=one.until_s > now_s) for one in holding]
            + [shown(one, holds=False) for one in over]
        }

    def silence(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Make a silence and return it.

        Args:
            given: `matchers`, `for` or `until`, `who` and `why`.

        Raises:
            PayloadError: Something is missing or cannot be read.
            StoreError: It cannot be written down.
        """
        now_s = self._clock()
        unknown = set(given) - set(FIELDS)
        if unknown:
            raise PayloadError(f"{sorted(unknown)[0][:40]!r} came, which no silence has; {WANTED}.")
        refuse_halves(given, WANTED)
        made = Silence(
            id=secrets.token_hex(6),
            matchers=_matchers(given.get("matchers")),
            made_s=now_s,
            until_s=_until_s(given, now_s),
            who=words(given, "who", WHO_CHARACTERS_MAX, WANTED),
            why=words(given, "why", WHY_CHARACTERS_MAX, WANTED),
        )
        with self._outbox.transaction() as db:
            memory = Memory(db)
            if memory.count(HOLDS, ALL) >= SILENCES_MAX:
                raise PayloadError(f"There are {SILENCES_MAX} silences already; end some of them first.")
            add(made, memory)
        return shown(made, holds=True)

    def end(self, silence_id: str, who: str) -> dict[str, Any]:
        """End a silence that holds, and return it; what it has kept and still fires is told now.

        Args:
            silence_id: Which.
            who: Ends it.

        Raises:
            PayloadError: There is none with this id that holds.
            StoreError: It cannot be written down.
        """
        now_s = self._clock()
        with self._outbox.transaction() as db:
            memory = Memory(db)
            row = memory.get(HOLDS, ALL, silence_id)
            if row is None:
                raise PayloadError(
                    f"There is no silence {silence_id[:40]!r} that holds; it may have ended. "
                    "GET /api/alerts/silences lists them."
                )
            over = silence_of({**row, "until_s": now_s, "ended_by": who[:WHO_CHARACTERS_MAX]})
            end(over, memory, now_s)
        return shown(over, holds=False)

    def take_on(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Note that somebody has taken an alert on, and return the note.

        Args:
            given: `source`, `fingerprint`, `who` and perhaps `note` and `started`, the episode's beginning.

        Raises:
            PayloadError: Something is missing.
            StoreError: It cannot be written down.
        """
        if set(given) - {"source", "fingerprint", "started", "who", "note"}:
            raise PayloadError(f"Something came that no such note has; {TAKEN_WANTED}.")
        mark = alert_mark({name: words(given, name, 200, TAKEN_WANTED) for name in ("source", "fingerprint")})
        now_s = self._clock()
        row = {
            "who": words(given, "who", WHO_CHARACTERS_MAX, TAKEN_WANTED),
            "note": str(given.get("note") or "")[:WHY_CHARACTERS_MAX],
            "at": iso(now_s),
            "started": str(given.get("started") or "")[:40],
        }
        with self._outbox.transaction() as db:
            Memory(db).put(ACKED, mark, "", row, due_s=now_s + ACKED_S)
        return row

    def marked(self, alerts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return alerts with `silence`, that holds for each, and `taken`, who has taken it on; or None."""
        now_s = self._clock()
        silences = [one for one in self._silences(HOLDS) if one.until_s > now_s]
        rows = self._outbox.read("SELECT of, row FROM routing_rows WHERE kind = ?", (ACKED,))
        taken = {of: json.loads(text) for of, text in rows}
        return [{**one, **self._marks(one, silences, taken)} for one in alerts]

    def waiting(self) -> int:
        """Return how many alerts wait to be told until their silence is over."""
        ((count,),) = self._outbox.read("SELECT count(*) FROM routing_rows WHERE kind = ?", (HUSHED,))
        return int(count)

    def _marks(
        self, alert: Mapping[str, Any], silences: list[Silence], taken: Mapping[str, Any]
    ) -> dict[str, Any]:
        labels = labels_of(alert)
        fits = [one for one in silences if one.fits(labels)]
        longest = max(fits, key=lambda one: one.until_s, default=None)
        note = taken.get(alert_mark(alert))
        # A note is about one episode; the alert may have ended and begun again since.
        is_of_it = note is not None and note["started"] in {"", alert.get("started") or ""}
        return {
            "silence": None if longest is None else shown(longest, holds=True),
            "taken": note if is_of_it else None,
        }

    def _silences(self, kind: str) -> list[Silence]:
        rows = self._outbox.read(
            "SELECT row FROM routing_rows WHERE kind = ? AND of = ? ORDER BY number", (kind, ALL)
        )
        return [silence_of(json.loads(text)) for (text,) in rows]


def shown(silence: Silence, *, holds: bool) -> dict[str, Any]:
    """Return a silence as the API shows it."""
    return {
        "id": silence.id,
        "state": "holds" if holds else "over",
        "matchers": list(silence.matchers),
        "from": iso(silence.made_s),
        "until": iso(silence.until_s),
        "who": silence.who,
        "why": silence.why,
        "ended_by": silence.ended_by or None,
    }


def refuse_halves(given: Mapping[str, Any], wanted: str) -> None:
    """Refuse halves of characters, as a shell may give: they would be remembered, and no answer could say it.

    Raises:
        PayloadError: There are some; `wanted` says what should have come.
    """
    try:
        json.dumps(dict(given), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise PayloadError(f"Halves of characters came, which are no text; {wanted}.") from None


def words(given: Mapping[str, Any], name: str, characters_max: int, wanted: str) -> str:
    """Return a text that has to be given.

    Raises:
        PayloadError: It is missing or too long; `wanted` says what should have come.
    """
    came = given.get(name)
    text = came.strip() if isinstance(came, str) else ""
    if not text:
        raise PayloadError(f"{name} is missing; {wanted}.")
    if len(text) > characters_max:
        raise PayloadError(f"{name} has {len(text)} characters; at most {characters_max} are taken.")
    return text


def _matchers(came: object) -> tuple[str, ...]:
    if not isinstance(came, list) or not came or not all(isinstance(one, str) for one in came):
        raise PayloadError(f"matchers is missing, and says which alerts are meant; {WANTED}.")
    if len(came) > MATCHERS_MAX:
        raise PayloadError(f"{len(came)} matchers came; at most {MATCHERS_MAX} are taken.")
    found = []
    for text in came:
        if len(text) > MATCHER_CHARACTERS_MAX:
            raise PayloadError(
                f"The matcher {text[:40]!r}... is longer than {MATCHER_CHARACTERS_MAX} characters."
            )
        try:
            one = matcher(text)
        except ValueError as error:
            raise PayloadError(f"A matcher cannot be read: {error}.") from None
        if "~" in one.operator and (
            len(REPEATS.findall(one.value)) > REPEATED_MAX or GROUP_REPEATS.search(one.value)
        ):
            raise PayloadError(
                f"The pattern {one.value[:80]!r} could take very long; use at most {REPEATED_MAX} of * + "
                "{ } and none after a bracket, such as web-.*|shop."
            )
        found.append(one)
    if all(one.holds({}) for one in found):
        raise PayloadError(
            "These matchers fit alerts without any label, so nearly every alert; name a label and a value, "
            'such as alertname="MlobsToolFailureRatio".'
        )
    return tuple(str(one) for one in found)


def _until_s(given: Mapping[str, Any], now_s: float) -> float:
    length, until = given.get("for") or "", given.get("until") or ""
    if bool(length) == bool(until):
        raise PayloadError(f"Either for or until says how long it holds; {WANTED}.")
    if length:
        found = LENGTH.fullmatch(str(length).strip())
        if found is None:
            raise PayloadError(f"for={str(length)[:40]!r} came; 30m, 2h, 3d or 1w was wanted.")
        until_s = now_s + int(found[1]) * UNITS[found[2]]
    else:
        try:
            moment = datetime.fromisoformat(str(until).strip())
        except ValueError:
            raise PayloadError(
                f"until={str(until)[:40]!r} came; a time such as 2026-05-01T18:00Z was wanted."
            ) from None
        until_s = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not now_s < until_s <= now_s + UNTIL_S_MAX:
        raise PayloadError(
            f"The silence would hold until {str(until or length)[:40]}, which is not within a year from "
            "now; choose a time to come, at most a year ahead."
        )
    return until_s
