"""Which of many features have drifted, as one list with a bound on its wrong share."""

import math

import numpy as np
from numpy.typing import NDArray


def e_bh(log_e: NDArray[np.float64], level: float, family: int | None = None) -> list[int]:
    """Return the places of the features to report, those with most evidence first.

    The k largest e-values are reported for the largest k with e_(k) >= family / (level * k). The mean
    share of wrong ones in the list is then at most `level`, whatever their dependence.

    Args:
        log_e: Logs of e-values: of statistics with a mean of at most 1 while nothing has changed.
        level: Such as 0.05.
        family: How many features were looked at; as many as there are in `log_e` if None.

    Source: Wang and Ramdas, False discovery rate control with e-values, J. R. Stat. Soc. B 84 (2022) 822.

    >>> e_bh(np.log([1.0, 200.0, 50.0, 45.0]), 0.05)
    [1, 2, 3]
    >>> e_bh(np.log([1.0, 50.0, 50.0, 1.0]), 0.05)
    [1, 2]
    >>> e_bh(np.log([1.0, 50.0, 1.0, 1.0]), 0.05)
    []
    """
    order = np.argsort(-log_e, kind="stable")
    needed = math.log((family or len(log_e)) / level) - np.log(np.arange(1, len(log_e) + 1))
    enough = np.flatnonzero(log_e[order] >= needed)
    return order[: int(enough[-1]) + 1].tolist() if len(enough) else []


def log_strongest(log_e: NDArray[np.float64]) -> float:
    """Return the log of an e-value against `nothing has drifted`: 1 / the smallest level with a list.

    >>> round(float(np.exp(log_strongest(np.log([1.0, 50.0, 50.0, 1.0])))), 9)
    25.0
    """
    ranks = np.arange(1, len(log_e) + 1)
    return float((np.sort(log_e)[::-1] + np.log(ranks)).max() - math.log(len(log_e)))
