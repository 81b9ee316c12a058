"""How much of a distance may be chance: 90 % intervals from counts.

Counts of unchanged data differ too, so every distance reads above its true value, and drawing from the
counts again (the usual bootstrap) adds the same chance a second time: its intervals leave out zero even
where nothing moved. Instead we ask which changes fit. The changes considered are those in the direction
that was seen, p + t (q - p) with p and q the shares of reference and live data: t = 0 is no change, t = 1
what was seen. For some t both samples are drawn anew, and t is kept if the distance that was seen lies
between the 5 % and 95 % quantiles of those drawn. The interval is from the smallest to the largest
distance of the kept changes, so it begins at 0 where no change fits.

Source: inversion of bootstrap tests along one family, DiCiccio and Romano, Int. Stat. Rev. 58 (1990) 59.
That all changes have the direction seen is an approximation; the tests measure how often it holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlobs.drift.distances import Doubles, Stacked

Interval = tuple[float, float]

LOW, HIGH = 0.05, 0.95
DRAWS = 200
STEPS = 12
REACH = 4.0
"""How many standard errors beyond what was seen changes are looked for."""
AT_MOST_ONE = frozenset({"tv", "js", "ks"})


@dataclass(frozen=True, slots=True)
class Samples:
    """Two samples by bin.

    Args:
        reference: Shape (bins,). Their shares are what counts.
        live: Shape (bins,).
        reference_rows: How many independent rows the shares are worth.
        live_rows: The same of the live shares.
    """

    reference: Doubles
    live: Doubles
    reference_rows: float
    live_rows: float


def intervals(samples: Samples, distances: Mapping[str, Stacked], *, seed: int = 0) -> dict[str, Interval]:
    """Return the 90 % interval of each distance; those are left out that no draw can tell about.

    Args:
        samples: What was seen.
        distances: By name. Each takes reference and live counts, shape (..., bins), and returns (...).
        seed: The same seed gives the same intervals.
    """
    if min(samples.reference_rows, samples.live_rows) < 1:
        return {}
    p, q = samples.reference / samples.reference.sum(), samples.live / samples.live.sum()
    used = (p > 0) | (q > 0)
    if used.sum() < 2 or np.allclose(p, q, rtol=0, atol=1e-12):
        return {}
    n, m = max(round(samples.live_rows), 1), max(round(samples.reference_rows), 1)
    steps = _steps(p, q, 1 / n + 1 / m)
    changed = np.maximum(p + steps[:, None] * (q - p), 0.0)
    changed /= changed.sum(axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    old = rng.multinomial(m, p, size=DRAWS).astype(np.float64)
    new = rng.multinomial(n, changed[:, None, :], size=(len(steps), DRAWS)).astype(np.float64)
    found = {}
    for name, distance in distances.items():
        seen = float(distance(p * m, q * n))
        true = distance(np.broadcast_to(p * m, changed.shape), changed * n)
        true[0] = 0.0  # no change; smoothed and rounded, it would be a little more
        low, high = np.quantile(distance(np.broadcast_to(old, new.shape), new), (LOW, HIGH), axis=1)
        least, most = _between(true, low, high, seen)
        found[name] = (least, min(most, 1.0)) if name in AT_MOST_ONE else (least, most)
    return found


def _steps(p: Doubles, q: Doubles, noise: float) -> Doubles:
    """Return for which t draws are made: from none to as far as what was seen could be short of."""
    expected = np.maximum((p + q) / 2, 1e-12)
    seen = float(np.sqrt((((q - p) ** 2) / expected).sum() / noise))  # in standard errors
    top = 1 + REACH / max(seen, 1e-9)
    below = np.linspace(max(0.0, 1 - REACH / max(seen, 1e-9)), 1, STEPS // 2)
    if below[0] > 0:
        below = np.array([0.0, *below])
    return np.array([*below, *np.linspace(1, top, STEPS - STEPS // 2 + 1)[1:]])


def _between(true: Doubles, low: Doubles, high: Doubles, seen: float) -> Interval:
    """Return the smallest and the largest distance whose draws have what was seen between their quantiles."""
    low, high = np.maximum.accumulate(low), np.maximum.accumulate(high)
    # High quantiles that reach what was seen: from there on it is not too much.
    smallest = float(np.interp(seen, high, true)) if seen > high[0] else float(true[0])
    if seen <= low[0]:
        largest = float(true[0])
    elif seen <= low[-1]:
        largest = float(np.interp(seen, low, true))
    else:  # in this direction bins are empty before the change is large enough; chance is about as large
        largest = max(float(true[-1]), 2 * seen - smallest)
    return min(smallest, seen), max(largest, smallest)
