"""How far a stream has moved at least: a lower bound on the total variation that one may look at any time."""

import math

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.sequential.bets import log_bets

Doubles = NDArray[np.float64]

BISECTIONS = 16


def tv_lower_bounds(counts: Doubles, p: Doubles, *, error: float) -> Doubles:
    """Return for each feature a distance from `p` that the law behind `counts` exceeds.

    It is the largest eps for which the counts are 1 / error times likelier under a mixture of all
    laws (Dirichlet-multinomial, one pseudo-count a bin) than under the best law within eps of p.

    What is promised: if the law has been the same since counting began, no look ever gives too much, but
    for a probability of `error`. If the law has moved meanwhile, on a course that does not depend on
    the rows, each single look is right about the average law with that probability, because the mean
    of a product of payoffs is largest when all rows have the average law.

    Args:
        counts: Shape (features, bins). Rows since a moment that was not chosen by looking at them.
        p: Shape (features, bins), 0 for bins that a feature does not have.
        error: Such as 0.001.

    Source: universal inference, Wasserman, Ramdas and Balakrishnan, PNAS 117 (2020) 16880; Ville.
    """
    totals = counts.sum(axis=-1)
    share = np.divide(counts, totals[:, None], out=np.zeros_like(p), where=counts > 0)
    log_share = np.log(share, out=np.zeros_like(p), where=share > 0)
    mixture = np.array(
        [_log_mixture(row, int(k)) for row, k in zip(counts, (p > 0).sum(axis=-1), strict=True)]
    )
    low, high = np.zeros(len(p)), np.ones(len(p))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        # share / payoff is the law in the ball under which the counts are likeliest.
        best = (counts * (log_share - log_bets(share, p, middle))).sum(axis=-1)
        outside = mixture - best >= math.log(1 / error)
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    return low


def _log_mixture(counts: Doubles, bins: int) -> float:
    """Return the log of the Dirichlet-multinomial likelihood of a sequence with these counts."""
    total = float(counts.sum())
    found = sum(math.lgamma(count + 1) for count in counts.tolist() if count)
    return found + math.lgamma(bins) - math.lgamma(total + bins)
