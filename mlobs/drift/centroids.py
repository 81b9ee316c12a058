"""The cells of an embedding: k-means, and which cell a vector is in."""

import base64

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.columns import Codes, Doubles, Mask, Singles

ROUNDS = 15
LARGEST = 1e16
CELLS_MAX = 16
"""Each cell is a bin of live monitors too, hence a series in every metrics engine; and merging cells
would mean little, because they have no order. So there are few, and batches of data use the same."""

Packable = NDArray[np.float32] | NDArray[np.float64]


def choose(vectors: Singles, cells: int) -> Singles:
    """Return the centroids of at most so many cells, those of most vectors first.

    The same vectors give the same centroids. Equal vectors share a cell, so there may be fewer.

    Args:
        vectors: Shape (rows, width), finite.
        cells: At most so many.

    Source: Lloyd, IEEE Trans. Inf. Theory 28 (1982) 129; starts by Arthur and Vassilvitskii, SODA 2007.
    """
    if not len(vectors) or not vectors.shape[1]:
        return np.empty((0, vectors.shape[1]), np.float32)
    found = _starts(vectors, cells)
    for _ in range(ROUNDS):
        near = nearest(vectors, found)
        inside = (near == np.arange(len(found))[:, None]).astype(np.float32)
        sums = (inside @ vectors).astype(np.float64)
        times = np.bincount(near, minlength=len(found))
        moved = found.astype(np.float64)
        moved[times > 0] = sums[times > 0] / times[times > 0, None]
        if np.array_equal(moved.astype(np.float32), found):
            break
        found = moved.astype(np.float32)
    times = np.bincount(nearest(vectors, found), minlength=len(found))
    return found[np.argsort(-times, kind="stable")]


def nearest(vectors: Singles, centroids: Singles) -> Codes:
    """Return for each vector the number of the centroid that is nearest to it."""
    away = (centroids.astype(np.float64) ** 2).sum(axis=1) - 2 * (vectors @ centroids.T)
    found: Codes = away.argmin(axis=1)
    return found


def usable(vectors: Singles) -> Mask:
    """Return which vectors are finite and of a length that can be squared."""
    found: Mask = np.logical_and.reduce(np.abs(vectors) < LARGEST, axis=1)  # NaN is not below
    return found


def pack(values: Packable) -> str:
    """Return numbers as a profile keeps them: single precision, little-endian, base64.

    >>> unpack(pack(np.array([1.0, 2.0])), 2).tolist()
    [[1.0, 2.0]]
    """
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def unpack(text: str, width: int) -> Singles:
    """Return the rows that `pack` packed."""
    found = np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)
    return found.reshape(-1, width) if width else np.empty((0, 0), np.float32)


def _starts(vectors: Singles, cells: int) -> Singles:
    """Return starts that are far from each other: k-means++."""
    rng = np.random.default_rng(0)
    found = [vectors[int(rng.integers(len(vectors)))]]
    away = _squares(vectors, found[0])
    while len(found) < cells and away.sum() > 0:
        found.append(vectors[int(rng.choice(len(vectors), p=away / away.sum()))])
        away = np.minimum(away, _squares(vectors, found[-1]))
    return np.stack(found)


def _squares(vectors: Singles, point: Singles) -> Doubles:
    squares: Doubles = ((vectors - point).astype(np.float64) ** 2).sum(axis=1)
    return squares
