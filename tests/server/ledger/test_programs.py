"""What programs say of themselves."""

import pytest

from mlobs.semconv import loss
from mlobs.semconv import metrics as m
from mlobs.server.ledger.account import account
from mlobs.server.ledger.programs import of_rows

NOW_S = 1_000_000.0


def rows(*, made, exported, waiting, at=None):
    """Return what the table has of one process; `at` gives the ages of its metrics, by name."""
    values = {loss.SDK_MADE: made, m.SDK_EXPORTED: exported, m.SDK_DROPPED: 0, loss.SDK_WAITING: waiting}
    return [
        {
            "metric": metric.name, "service": "shop", "instance": "0123456789", "signal": "",
            "reason": "queue_full" if metric is m.SDK_DROPPED else "", "began_s": NOW_S - 60,
            "last_s": NOW_S - (at or {}).get(metric, 1.0), "value": float(value), "before": 0.0,
        }
        for metric, value in values.items()
    ]  # fmt: skip


def test_counts_of_one_look_must_add_up():
    """64 were made, and nothing says where they are."""
    found = account(of_rows(rows(made=392, exported=328, waiting=0), NOW_S), whole=True)
    assert found.missing == 64


@pytest.mark.parametrize("late", [loss.SDK_WAITING, m.SDK_EXPORTED, m.SDK_DROPPED])
def test_counts_of_two_looks_leave_the_difference_on_its_way(late):
    """A collector cuts requests, so that one metric of a look may be stored before the others."""
    table = rows(made=392, exported=328, waiting=0, at={late: 2.0})
    found = account(of_rows(table, NOW_S), whole=True)
    [programs] = found.lines
    assert (found.missing, programs.waiting) == (0, 64)
