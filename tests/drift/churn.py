"""A small model's rows and profile, and what a monitor of it knows, for the tests of monitors."""

import numpy as np

from mlobs.drift.profile import Profile


def profile():
    rng = np.random.default_rng(1)
    n = 40_000
    data = {
        "x": rng.normal(size=n),
        "c": np.array(["a", "b"])[rng.integers(0, 2, n)],
        "score": rng.random(n),
    }
    return Profile.of(data, model="churn@7", prediction="score")


def rows(n, shift=0.0, seed=2):
    rng = np.random.default_rng(seed)
    return [{"x": float(rng.normal(shift)), "c": "ab"[rng.integers(2)]} for _ in range(n)]


def watch_of(monitor, feature):
    return next(watch for watch in monitor.state() if watch.feature == feature)
