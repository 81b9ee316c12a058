"""Keeps predictions until their labels come, and says what became of each label.

Predictions lie in generations, dicts by id, of which the oldest goes as a whole: so forgetting costs
nothing, and a prediction takes one entry of a dict. A generation ends after a sixteenth of the time in
which labels may come, or a sixteenth of the predictions that fit.
"""

from collections import Counter, deque
from datetime import date
from decimal import Decimal
from hashlib import sha256
from math import inf
from typing import Any, Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict

from mlobs.drift.bins import shortened

GENERATIONS = 16
ID_CHARACTERS_MAX = 200
LARGEST = float(np.finfo(np.float64).max)  # JSON has no infinity
USED = "\0used"  # in the place of a prediction whose label has come

Outcome = Literal["joined", "unusable", "late", "duplicate", "unknown", "expired", "queue_full", "closed"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
Prediction = float | int | str | bool | None


class Generation(BaseModel):
    """Predictions of one stretch of time, by id."""

    model_config = ConfigDict(extra="forbid")

    began_s: float
    pending: dict[str, Prediction]
    labelled: int = 0


class Pending(BaseModel):
    """What is kept over a restart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    generations: list[Generation]


class Joiner:
    """Joins labels to predictions by id.

    Args:
        within_s: Labels that come later do not count.
        rows_max: Predictions that wait; when there are more, the oldest are forgotten.

    `outcomes` are counters of this process: those of the one before it have been told by that one.
    """

    def __init__(self, within_s: float, rows_max: int) -> None:
        self.within_s = within_s
        self.rows_max = rows_max
        self.outcomes: Counter[Outcome] = Counter(dict.fromkeys(OUTCOMES, 0))
        self._generations: deque[Generation] = deque()  # the newest first

    @property
    def waiting(self) -> int:
        """Return how many ids have a prediction and no label yet."""
        latest = {name: found for one in reversed(self._generations) for name, found in one.pending.items()}
        return sum(found != USED for found in latest.values())

    def expect(self, key: object, prediction: object, now_s: float) -> None:
        """Keep a prediction until its label comes. The last one of an id counts."""
        newest = self._generations[0] if self._generations else None
        if (
            newest is None
            or now_s - newest.began_s >= self.within_s / GENERATIONS
            or len(newest.pending) >= max(self.rows_max // GENERATIONS, 1)
        ):
            newest = Generation(began_s=now_s, pending={})
            self._generations.appendleft(newest)
            self._forget(now_s)
        name = name_of(key)
        newest.labelled -= newest.pending.get(name) == USED
        newest.pending[name] = _small(prediction)

    def take(self, key: object, now_s: float, *, usable: bool = True) -> tuple[Outcome, Prediction]:
        """Return what becomes of a label, and the prediction it is of, if there is one.

        Args:
            key: The label's id.
            now_s: When it came.
            usable: Whether it can be judged. If not, the prediction goes on waiting for one that can.
        """
        name = name_of(key)
        outcome: Outcome = "unknown"
        prediction: Prediction = None
        for generation in self._generations:
            if name in generation.pending:
                found = generation.pending[name]
                if found == USED:
                    outcome = "duplicate"
                elif now_s - generation.began_s > self.within_s * (1 + 1 / GENERATIONS):
                    outcome = "late"
                elif not usable:
                    outcome, prediction = "unusable", found
                else:
                    outcome, prediction = "joined", found
                    generation.pending[name] = USED
                    generation.labelled += 1
                break
        self.outcomes[outcome] += 1
        return outcome, prediction

    def with_label(self, prediction: object, *, usable: bool = True) -> tuple[Outcome, Prediction]:
        """Return the same for a prediction that came with its label."""
        outcome: Outcome = "joined" if usable else "unusable"
        self.outcomes[outcome] += 1
        return outcome, _small(prediction)

    def save(self) -> Pending:
        """Return what is needed to go on after a restart."""
        copies = [one.model_copy(update={"pending": dict(one.pending)}) for one in self._generations]
        return Pending(generations=copies)

    def restore(self, saved: Pending) -> None:
        """Go on from what `save` returned."""
        self._generations = deque(saved.generations)

    def _forget(self, now_s: float) -> None:
        """Forget the oldest: those too late for a label by some time, and those beyond the bound.

        They stay for a quarter longer than their labels are waited for, so that late ones are told
        from those of unknown ids.
        """
        while len(self._generations) > 1:
            oldest = self._generations[-1]
            kept = sum(len(one.pending) for one in self._generations)
            if now_s - oldest.began_s <= 1.25 * self.within_s and kept <= self.rows_max:
                return
            self._generations.pop()
            self.outcomes["expired"] += len(oldest.pending) - oldest.labelled - self._replaced(oldest)

    def _replaced(self, oldest: Generation) -> int:
        """Return how many predictions without a label had a later one of the same id.

        That is looked up here, for all at once, because at each new id it would take more time than all
        else that is done for it.
        """
        names = oldest.pending.keys()
        again = set().union(*(names & newer.pending.keys() for newer in self._generations))
        return sum(oldest.pending[name] != USED for name in again)


def name_of(key: object) -> str:
    """Return an id as text of bounded length, so that 7 and "7" are the same order.

    >>> name_of(7), name_of("7"), len(name_of("x" * 10_000))
    ('7', '7', 200)
    """
    try:
        text = str(key)
    except Exception:  # noqa: BLE001 an id that has no text joins nothing, and costs no other row its place
        return f"?{type(key).__name__}"
    if not text.isascii():  # half a surrogate pair cannot be written, and would keep the whole state from it
        text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= ID_CHARACTERS_MAX:
        return text
    whole = sha256(text.encode()).hexdigest()
    return f"{text[: ID_CHARACTERS_MAX - len(whole)]}{whole}"


def truth_of(value: Any) -> Any:
    """Return a label in a form that can be compared: a number, a text, a time, or None.

    >>> truth_of(["a", 1]), truth_of(2.5)
    ("['a', 1]", 2.5)
    """
    kind = type(value)
    if issubclass(kind, int) and abs(value) > LARGEST:  # it may have too many digits for a text
        return inf if value > 0 else -inf
    if value is None or issubclass(kind, float | int | str | date | np.generic | Decimal):
        return value
    try:
        return str(value)[:ID_CHARACTERS_MAX]
    except Exception:  # noqa: BLE001 a label that has no text is a missing one
        return None


def _small(value: Any) -> Prediction:
    """Return a prediction in a form that takes little memory and can be saved."""
    kind = type(value)
    if issubclass(kind, str):
        return value if value.isascii() and len(value) <= ID_CHARACTERS_MAX else shortened(value)
    if value is None or kind is bool:
        return value  # type: ignore[no-any-return]
    try:
        return _written(value if issubclass(kind, float | int) else float(value))
    except Exception:  # noqa: BLE001 whatever else a model returns
        return None


def _written(number: float) -> float | None:
    """Return a number as JSON can have it. The largest ones are judged as infinite ones are."""
    if isinstance(number, int) and abs(number) <= LARGEST:
        return number
    return None if number != number else float(min(max(number, -LARGEST), LARGEST))
