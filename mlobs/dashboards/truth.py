"""How good predictions were, by the labels that came later: shown with quality and with drift.

Of several processes the worst one is shown, and every version for itself: a new version that is worse is
what somebody looks for here.
"""

from mlobs.dashboards.links import of_series
from mlobs.dashboards.panels import Json, Link, lines, timeseries
from mlobs.dashboards.queries import equals, one_of, peak, select, smallest
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m

RECENT = equals(a.QUALITY_WINDOW, "recent")
NOTHING = "no service gives labels to its monitor"


def accuracy(board: str, meaning: str) -> Json:
    """Return the share of predictions that were right; a line leads to its model on `board`."""
    right = smallest(
        m.DRIFT_QUALITY, *m.MODEL_LABELS, matchers=[RECENT, equals(a.QUALITY_MEASURE, "accuracy")]
    )
    return timeseries(
        "Accuracy by labels",
        [lines(right, *m.MODEL_LABELS)],
        unit="percentunit",
        meaning="Share of predictions that were right, over the last thousand labels of a process, of the "
        f"process that is worst off. Down is bad. {meaning}",
        highest=1,
        link=Link("This model", of_series(board, a.MODEL_NAME)),
        nothing=NOTHING,
    )


def errors(board: str, meaning: str) -> Json:
    """Return how far predictions were from the labels; a line leads to its model on `board`."""
    by = (*m.MODEL_LABELS, a.QUALITY_MEASURE)
    wrong = select(
        m.DRIFT_QUALITY, "", RECENT, one_of(a.QUALITY_MEASURE, "bias", "brier", "log_loss", "mae", "rmse")
    )
    return timeseries(
        "Errors by labels",
        [lines(peak(f"abs({wrong})", by), *by)],
        unit="short",
        meaning="How far predictions were from the labels, of the process that is worst off; bias whichever "
        f"way it goes. Up is bad. Each measure has a scale of its own. {meaning}",
        link=Link("This model", of_series(board, a.MODEL_NAME)),
        nothing=NOTHING,
    )
