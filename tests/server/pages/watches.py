"""A watch as the drift API tells it."""

WHO = {"service": "scorer", "model": "churn", "version": "3", "ref": "ab"}
WATCH = {
    **WHO, "feature": "age", "segment": "", "processes": 2, "rows": 1000, "blocks": 3, "log_e": 3.0,
    "threshold": 12.0, "alarm": False, "raised": None, "change_start": None, "floor": 0.05,
    "tv_lower_bound": 0.0, "distances": {"psi": 0.1}, "missing_ratio": 0.0, "unseen_ratio": 0.0,
    "outside_ratio": None, "moves": [{"bin": "__null__", "reference_ratio": 0.1, "live_ratio": 0.2}],
    "seen": "2026-05-01T12:00:00+00:00",
}  # fmt: skip
