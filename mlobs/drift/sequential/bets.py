"""The bet: payoffs on bins that are fair, or worse than fair, for every stream that has not changed.

Let q be what a bettor believes and p the reference. `unchanged` is the ball of laws within a total
variation of `floor` of p. Payoffs are q / p, clipped from above at high and from below at low, where

    high = max over sets A of bins of Q(A) / (P(A) + floor)
    low  = min over sets B with P(B) > floor of Q(B) / (P(B) - floor)

Both are attained by sets that are sorted by q / p. Then the mean payoff under p is
1 - floor * (high - low), and the worst law in the ball takes a mass of `floor` out of bins that pay
low and puts it on one that pays high, which adds floor * (high - low): its mean payoff is 1. A linear
program over the whole ball says the same in the tests.

Source: Huber, Ann. Math. Stat. 36 (1965) 1753, least favourable pairs; Saha and Ramdas, Huber-robust
likelihood ratio tests for composite nulls and alternatives (2024), for the betting.
"""

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

ROOM_MIN = 1e-12


def log_bets(q: Doubles, p: Doubles, floor: Doubles) -> Doubles:
    """Return the log of the payoffs that a bettor who believes in `q` may take.

    A bettor whose q is itself within the floor does not bet: all payoffs are 1.

    Args:
        q: Shape (..., features, bins). What the bettor believes.
        p: Shape (features, bins), 0 for bins that a feature does not have.
        floor: Shape (features,).
    """
    real = np.broadcast_to(p > 0, q.shape)
    wide = np.broadcast_to(p, q.shape)
    ratio = np.divide(q, wide, out=np.zeros_like(q), where=real)
    order = np.argsort(-ratio, axis=-1, kind="stable")
    q_top = np.cumsum(np.take_along_axis(q, order, -1), axis=-1)
    p_top = np.cumsum(np.take_along_axis(wide, order, -1), axis=-1)
    eps = floor[:, None]
    high = (q_top / (p_top + eps)).max(axis=-1, keepdims=True)
    # The bins after the first j: their chances are 1 minus the sums so far.
    q_rest = 1 - np.concatenate([np.zeros_like(q_top[..., :1]), q_top[..., :-1]], axis=-1)
    p_rest = 1 - np.concatenate([np.zeros_like(p_top[..., :1]), p_top[..., :-1]], axis=-1)
    room = p_rest - eps
    low = np.divide(q_rest, room, out=np.full_like(q, np.inf), where=room > ROOM_MIN)
    low = low.min(axis=-1, keepdims=True)
    bets = np.where(real & (high > 1) & (low < 1), np.clip(ratio, low, high), 1.0)
    logs: Doubles = np.log(np.maximum(bets, np.finfo(np.float64).tiny))
    return logs
