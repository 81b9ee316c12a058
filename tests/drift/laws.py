"""Streams of counts for the tests of the sequential test: ten bins, even in the long run."""

from statistics import NormalDist

import numpy as np

from mlobs.drift.detector import Reference
from mlobs.drift.sequential.swings import Swings

EVEN = np.full(10, 0.1)
STEP = 20  # rows that share a law


def shifted(sigma):
    """Return the chances of a normal distribution's deciles after its mean has moved."""
    normal = NormalDist()
    below = [normal.cdf(normal.inv_cdf(tenth / 10) - sigma) for tenth in range(1, 10)]
    return np.diff([0.0, *below, 1.0])


def wave(amplitude, day_rows):
    """Return a function that draws steps of a stream whose law swings in the course of a day."""
    tilt = np.repeat([1, -1], 5) / 5 * amplitude

    def draw(rng, streams, steps, first=0):
        angle = (first + np.arange(steps)) * STEP / day_rows * 2 * np.pi
        law = EVEN + np.sin(angle)[:, None, None] * tilt
        return rng.multinomial(STEP, np.broadcast_to(law, (steps, streams, 10)))

    return draw


def bursts(effect, rows):
    """Return a function that draws steps of a stream whose law is another one in each burst."""
    alike = (effect - 1) / (rows - 1)

    def draw(rng, streams, steps, first=0):
        weights = rng.gamma((1 - alike) / alike * EVEN, size=(-(-steps * STEP // rows), streams, 10)) + 1e-300
        law = np.repeat(weights / weights.sum(axis=-1, keepdims=True), rows // STEP, axis=0)[:steps]
        return rng.multinomial(STEP, law)

    return draw


def independent(rng, streams, steps, first=0):
    """Draw steps of a stream of independent rows."""
    return rng.multinomial(STEP, EVEN, size=(steps, streams))


def rows_of(rng, counts):
    """Return the bins of the rows behind one stream's steps, in their order."""
    return np.concatenate([rng.permutation(np.repeat(np.arange(10), step)) for step in counts])


def effects(draw, rng, rows=200_000):
    """Return the effects of a reference of so many rows, half of which are counted."""
    places = rows_of(rng, draw(rng, 1, rows // STEP)[:, 0])
    swings = Swings(10, share=0.5)
    swings.add(places[rng.random(len(places)) < 0.5])
    return swings.effects()


def reference(draw, rng, rows=200_000):
    """Return what a profile of such a stream says."""
    places = rows_of(rng, draw(rng, 1, rows // STEP)[:, 0])
    counted = places[rng.random(len(places)) < 0.5]
    swings = Swings(10, share=0.5)
    swings.add(counted)
    return Reference(np.bincount(counted, minlength=10).tolist(), effects=swings.effects())
