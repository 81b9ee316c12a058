"""Series that the packaged recording rules make, for those that read them.

The rules themselves are in `alerts/mlobs.rules.yml`; a test compares the names and the labels.
"""

from dataclasses import dataclass

from mlobs.semconv import attributes as a
from mlobs.semconv.metrics import FEATURE_LABELS
from mlobs.semconv.rows import Attribute, Series

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


@dataclass(frozen=True, slots=True)
class Objective:
    """What is counted for an objective: all calls and the bad ones, in windows.

    Args:
        thing: In the names of the series.
        about: What a call is, in a word or two.
        bad: What makes one bad.
        labels: What calls are told apart by.
    """

    thing: str
    about: str
    bad: str
    labels: tuple[Attribute, ...]

    def calls(self, window: str) -> Series:
        """Return the calls of a window."""
        return self._series(f"mlobs:{self.thing}:increase{window}", f"{self.about}, of the last {window}.")

    def bad_calls(self, window: str) -> Series:
        """Return the bad calls of a window."""
        about = f"{self.about} that {self.bad}, of the last {window}."
        return self._series(f"mlobs:{self.thing}_bad:increase{window}", about)

    def _series(self, name: str, about: str) -> Series:
        return Series(name, "gauge", "{call}", about, self.labels)


MODEL_CALLS = Objective("model_calls", "Model calls", "failed", (a.SERVICE_NAME, a.REQUEST_MODEL))
FIRST_CHUNKS = Objective("first_chunks", "Streams", "began late", (a.SERVICE_NAME, a.REQUEST_MODEL))
AGENT_RUNS = Objective("agent_runs", "Agent runs", "took too long", (a.SERVICE_NAME, a.AGENT_NAME))
OBJECTIVES = (MODEL_CALLS, FIRST_CHUNKS, AGENT_RUNS)


def _distance(name: str, unit: str, about: str) -> Series:
    labels = (a.SERVICE_NAME, *FEATURE_LABELS)
    return Series(f"mlobs:drift_{name}:increase1h", "gauge", unit, about, labels)


DRIFT_PSI = _distance("psi", "{nat}", "Population stability index of the last hour, of all processes.")
DRIFT_JS = _distance("js", "{distance}", "Jensen-Shannon distance of the last hour, of all processes.")
DRIFT_KS = _distance("ks", "{distance}", "Kolmogorov-Smirnov distance of the last hour, of all processes.")
DRIFT_W1 = _distance("w1", "{deviation}", "Wasserstein distance of the last hour, of all processes.")
DRIFT_TV = _distance("tv", "{proportion}", "Total variation of the last hour, of all processes.")

RECORDED: tuple[Series, ...] = (
    DRIFT_PSI,
    DRIFT_JS,
    DRIFT_KS,
    DRIFT_W1,
    DRIFT_TV,
    *(
        series
        for objective in OBJECTIVES
        for window in WINDOWS
        for series in (objective.bad_calls(window), objective.calls(window))
    ),
)
