"""Streams in which nothing changes, though their rows are not independent, and their profiles.

A value is one of ten levels, 0 to 9, each as likely as the others in the long run. The laws of the
streams are laws of the levels; a profile of a reference drawn from the same law is made by `Profile.of`,
as a user would, and live rows are drawn as counts of levels and put into the profile's online bins.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.bins import Bins
from mlobs.drift.detector import Reference
from mlobs.drift.profile import Profile

LEVELS = 10
EVEN = np.full(LEVELS, 1 / LEVELS)
STEP_ROWS = 100  # rows that share a law, and are drawn at once


@dataclass(frozen=True)
class Stream:
    """A law of rows.

    Args:
        name: For the table.
        wave: How far (total variation) the levels swing in the course of a day.
        day_rows: How many rows a day has.
        effect: The design effect of a burst; 1 for none.
        burst_rows: Rows that share the law of a burst.
        equal: Rows that come as one, all equal.
        edge: A lasting distance (total variation) from the reference, which does not have it.
        reference_rows: Rows of the reference, half of which are counted.
    """

    name: str
    wave: float = 0.0
    day_rows: int = 20_000
    effect: float = 1.0
    burst_rows: int = 500
    equal: int = 1
    edge: float = 0.0
    reference_rows: int = 400_000

    def laws(self, rng: np.random.Generator, streams: int, first: int, steps: int) -> NDArray[np.float64]:
        """Return the chances of the levels in each step, shape (steps, streams, levels)."""
        half = np.repeat([1, -1], LEVELS // 2) * 2 / LEVELS
        angle = (first + np.arange(steps)) * STEP_ROWS / self.day_rows * 2 * np.pi
        law = EVEN + half * self.wave * np.sin(angle)[:, None, None]
        if self.effect > 1:
            alike = (self.effect - 1) / (self.burst_rows - 1)
            each = self.burst_rows // STEP_ROWS
            weights = (
                rng.gamma((1 - alike) / alike * EVEN, size=(-(-steps // each), streams, LEVELS)) + 1e-300
            )
            law = np.repeat(weights / weights.sum(axis=-1, keepdims=True), each, axis=0)[:steps]
        return np.broadcast_to(law, (steps, streams, LEVELS))

    def steps(
        self, rng: np.random.Generator, streams: int, rows: int, *, live: bool
    ) -> Iterator[NDArray[np.int64]]:
        """Yield the counts of levels in runs of steps, shape (steps, streams, levels)."""
        run = 200
        for first in range(0, rows // STEP_ROWS, run):
            steps = min(run, rows // STEP_ROWS - first)
            law = self.laws(rng, streams, first, steps)
            if live and self.edge:
                law = law + np.repeat([1, -1], LEVELS // 2) * 2 / LEVELS * self.edge
            yield rng.multinomial(STEP_ROWS // self.equal, law) * self.equal

    def profiles(self, rng: np.random.Generator, number: int) -> Profile:
        """Return one profile of so many independent references, each a column."""
        columns: dict[str, list[NDArray[np.int8]]] = {f"s{i}": [] for i in range(number)}
        levels = np.arange(LEVELS, dtype=np.int8)
        for counts in self.steps(rng, number, self.reference_rows, live=False):
            for i, parts in enumerate(columns.values()):
                groups = np.repeat(np.tile(levels, len(counts)), counts[:, i].ravel() // self.equal)
                mixed = rng.permuted(groups.reshape(-1, STEP_ROWS // self.equal), axis=1)
                parts.append(np.repeat(mixed.ravel(), self.equal))
        return Profile.of({name: np.concatenate(parts).astype(np.int64) for name, parts in columns.items()})


def of_profile(profile: Profile) -> tuple[list[Reference], NDArray[np.int64], int]:
    """Return each feature's reference, its levels' bins, and how many there are."""
    found = [Bins(feature) for feature in profile.features.values()]
    width = max(len(bins.coarse_names) for bins in found)
    places = np.array([bins.of_values(list(range(LEVELS))) for bins in found])
    return [Reference.of(bins) for bins in found], places, width


def binned(levels: NDArray[np.int64], places: NDArray[np.int64], width: int) -> NDArray[Any]:
    """Return counts by online bin, shape (blocks, streams, bins), of counts by level."""
    found = np.zeros((*levels.shape[:2], width), np.int64)
    streams = np.arange(levels.shape[1])
    for level in range(LEVELS):
        found[:, streams, places[:, level]] += levels[..., level]  # levels of one bin come one by one
    return found
