"""How good predictions were, by the labels that have come: since the start, and of late.

Which figures there are follows from the profile: a probability and a target that is true or false, a
number and a number, or categories. A profile without prediction does not say, so the first pair does.
`recent` is over the last thousand labels.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from mlobs.drift.bins import Bins, shortened
from mlobs.drift.columns import BOOLEAN_LEVELS, is_missing, text_of
from mlobs.drift.feature import Feature
from mlobs.drift.profile import ERROR, Profile

RECENT = 1000
PROBABILITY_MIN = 1e-15  # a probability of 0 that was wrong costs 34.5 nats, not infinity

Task = Literal["probability", "number", "category"]
MEASURES: dict[Task, tuple[str, ...]] = {
    "probability": ("brier", "log_loss", "bias", "accuracy"),
    "number": ("mae", "rmse", "bias"),
    "category": ("accuracy",),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """One figure of how good predictions were.

    Args:
        measure: brier, log_loss, bias (what came minus what was predicted, in the mean), accuracy,
            mae or rmse.
        labels: How many have come since the start.
        recent: Over the last thousand labels.
        overall: Since the start.
        reference: In the training data, where the profile knows it.
    """

    measure: str
    labels: int
    recent: float
    overall: float
    reference: float | None


class Tally(BaseModel):
    """What is kept over a restart: sums since the start, and the latest terms of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task | None
    labels: int
    sums: list[float]
    recent: list[list[float]]


class Judge:
    """Judges pairs of prediction and truth.

    Args:
        profile: With a prediction, and with the target if it has one.
    """

    def __init__(self, profile: Profile) -> None:
        self.task = task_of(profile)
        self.labels = 0
        self._profile = profile
        self._sums: list[float] = []
        self._recent: deque[list[float]] = deque(maxlen=RECENT)

    def add(self, prediction: Any, truth: Any) -> None:
        """Take in a pair; where one is missing or of the wrong type, there is nothing to judge."""
        try:
            terms = self._terms(prediction, truth)
        except Exception:  # noqa: BLE001 such as a number of too many digits for a text; the next pair counts
            return
        if terms is not None:
            self._count(terms)

    def _terms(self, prediction: Any, truth: Any) -> list[float] | None:
        """Return what a pair adds to the sums, or None."""
        if is_missing(prediction) or is_missing(truth):
            return None
        self.task = self.task or task_of_pair(prediction, truth)
        if self.task == "category":
            return [float(same(prediction, truth))]
        number, wanted = number_of(prediction), number_of(truth)
        if number is None or wanted is None:
            return None
        error = wanted - number
        if self.task == "probability":
            chance = min(max(number if wanted else 1 - number, PROBABILITY_MIN), 1.0)
            right = (number >= 0.5) == bool(wanted)
            return [error * error, -float(np.log(chance)), error, float(right)]
        return [abs(error), error * error, error]

    def can_use(self, truth: Any) -> bool:
        """Return whether a label says what the truth was, in the form the profile's target has."""
        if is_missing(truth):
            return False
        target = self._profile.features.get(self._profile.target or "")
        numeric = self.task in {"probability", "number"} or (target is not None and target.kind == "numeric")
        return not numeric or number_of(truth) is not None

    def figures(self) -> list[Quality]:
        """Return what is known; nothing before the first label."""
        if not self.labels or self.task is None:
            return []
        overall = np.array(self._sums) / self.labels
        recent = np.array(self._recent).mean(axis=0)
        reference = _reference(self.task, self._profile)
        found = []
        for i, measure in enumerate(MEASURES[self.task]):
            root = np.sqrt if measure == "rmse" else float
            found.append(
                Quality(
                    measure=measure,
                    labels=self.labels,
                    recent=float(root(recent[i])),
                    overall=float(root(overall[i])),
                    reference=reference.get(measure),
                )
            )
        return found

    def save(self) -> Tally:
        """Return what is needed to go on after a restart."""
        return Tally(task=self.task, labels=self.labels, sums=self._sums, recent=list(self._recent))

    def restore(self, saved: Tally) -> None:
        """Go on from what `save` returned."""
        self.task, self.labels, self._sums = saved.task, saved.labels, list(saved.sums)
        self._recent = deque(saved.recent, maxlen=RECENT)

    def _count(self, terms: list[float]) -> None:
        sums = [a + b for a, b in zip(self._sums or [0.0] * len(terms), terms, strict=True)]
        if not all(map(np.isfinite, (*terms, *sums))):
            return
        self.labels += 1
        self._sums = sums
        self._recent.append(terms)


def task_of(profile: Profile) -> Task | None:
    """Return what the model's output is, or None if the profile does not say."""
    features = profile.features
    prediction = features.get(profile.prediction or "")
    target = features.get(profile.target or "")
    if prediction is None:
        return None
    if prediction.kind != "numeric":
        return "category"
    inside = bool(prediction.edges) and prediction.edges[0] >= 0 and prediction.edges[-1] <= 1
    if target is None:
        return "probability" if inside and not prediction.discrete else "number"
    if _two_valued(target):
        return "probability" if inside and not prediction.discrete else "category"
    return "number" if target.kind == "numeric" else "category"


def task_of_pair(prediction: Any, truth: Any) -> Task:
    """Return what a model's output is by one of its predictions and what came."""
    if not isinstance(prediction, float):
        return "category"
    if isinstance(truth, bool) and 0 <= prediction <= 1:
        return "probability"
    return "number" if number_of(truth) is not None else "category"


def same(prediction: Any, truth: Any) -> bool:
    """Return whether a label is what was predicted, by their names as levels: 1.0 is 1, True is "true".

    >>> same(1.0, 1), same("a", "b"), same(True, "true"), same(1, True)
    (True, False, True, True)
    """
    if isinstance(prediction, bool) != isinstance(truth, bool) and {type(prediction), type(truth)} <= {
        bool,
        int,
        float,
    }:
        return bool(prediction == truth)
    return shortened(text_of(prediction)) == shortened(text_of(truth))


def number_of(value: Any) -> float | None:
    """Return a value as a number; true is 1, and so is its name."""
    if isinstance(value, str):
        return float(BOOLEAN_LEVELS.index(value)) if value in BOOLEAN_LEVELS else None
    try:
        found = float(value)
    except Exception:  # noqa: BLE001 a label may be anything
        return None
    return found if np.isfinite(found) else None


def _two_valued(target: Feature) -> bool:
    if target.kind == "boolean":
        return True
    values = set(target.edges) if target.kind == "numeric" and target.discrete else set()
    return bool(values) and values <= {0.0, 1.0}


def _reference(task: Task, profile: Profile) -> dict[str, float]:
    """Return the training data's own figures, as far as the profile has what they are made of."""
    error = profile.features.get(ERROR)
    if error is None:
        return {}
    if task == "category":
        bins = Bins(error)  # which has no such levels where the error is a number
        counts = dict(zip(bins.names, error.counts, strict=True))
        known = counts.get("true", 0) + counts.get("false", 0)
        return {"accuracy": counts.get("true", 0) / known} if known else {}
    if error.mean is None or error.std is None:
        return {}
    square = error.mean**2 + error.std**2
    name = "brier" if task == "probability" else "rmse"
    return {"bias": error.mean, name: square if task == "probability" else square**0.5}
