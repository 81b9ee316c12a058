"""A monitor counts what a service sees, never gets in its way, and tells what it knows."""

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from pydantic import BaseModel

from mlobs import _guard
from mlobs.drift.monitor import Monitor
from mlobs.drift.profile import Profile
from mlobs.errors import DataError, SettingError
from tests.drift import churn
from tests.drift.churn import rows, watch_of

BLOCK = 200


@pytest.fixture(scope="module")
def profile():
    return churn.profile()


@pytest.fixture
def monitor(profile):
    made = Monitor(profile, block_rows=BLOCK)
    yield made
    made.close()


def binned(monitor, feature):
    counted = next(counted for counted in monitor.counted() if counted.feature == feature)
    return {name: count for name, count in zip(counted.bins, counted.live, strict=True) if count}


def test_unchanged_rows_raise_no_alarm_and_changed_ones_do(monitor):
    """The whole story: 6,000 rows as in training, then another population."""
    rng = np.random.default_rng(3)
    for row in rows(6_000):
        monitor.observe(row, rng.random())
    assert not any(watch.alarm for watch in monitor.state())
    before = watch_of(monitor, "x")
    for row in rows(1_000, shift=1.0, seed=4):
        monitor.observe(row, rng.random())
    first = monitor.state()[0]
    assert (first.feature, first.alarm) == ("x", True)
    assert first.log_e >= first.threshold > before.log_e
    assert first.change_start <= first.raised
    assert first.distances.w1 == pytest.approx(1.0, abs=0.3)
    assert first.tv_lower_bound > 0.05
    assert [watch.alarm for watch in monitor.state()[1:]] == [False, False]


def test_on_alarm_is_called_once_for_each_alarm(profile):
    """A page, not a flood; and what the callback raises stays with mlobs."""
    told = []

    def page(watch):
        told.append(watch.feature)
        raise RuntimeError("the pager is broken")

    monitor = Monitor(profile, block_rows=BLOCK, on_alarm=page)
    for row in rows(2_000, shift=2.0):
        monitor.observe(row, 0.5)
    monitor.close()
    assert sorted(told) == ["prediction", "x"]


def test_on_alarm_holds_up_nobody_who_asks(profile):
    """Metrics are collected by asking; a pager that hangs must not stop them."""
    called, go_on, where = threading.Event(), threading.Event(), []

    def page(watch):
        where.append(threading.current_thread())
        called.set()
        go_on.wait(30)

    monitor = Monitor(profile, block_rows=BLOCK, on_alarm=page)
    monitor.observe_batch({"x": np.full(2_000, 9.0), "c": ["a"] * 2_000})
    assert any(watch.alarm for watch in monitor.state())
    assert called.wait(30)
    assert monitor.state()
    assert threading.current_thread() not in where
    go_on.set()
    monitor.close()


def test_a_forked_child_of_a_closed_monitor_may_ask_it(profile):
    """A thread of the parent may have held its lock at that moment."""
    monitor = Monitor(profile)
    monitor.close()
    with monitor._lock:
        child = os.fork()
        if not child:
            signal.alarm(20)
            monitor.state()
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


@dataclass
class Slotted:
    x: float
    c: str


class Model(BaseModel):
    x: float
    c: str


@pytest.mark.parametrize(
    "row",
    [
        {"x": 0.1, "c": "a", "score": 0.9},
        {"x": 0.1, "c": "a"},
        Slotted(0.1, "a"),
        Model(x=0.1, c="a"),
        namedtuple("Named", ["c", "x"])("a", 0.1),  # noqa: PYI024
        [0.1, "a"],
        (np.float32(0.1), np.str_("a")),
    ],
)
def test_rows_of_every_form_are_counted_alike(monitor, row):
    """Services have dicts, models, records and vectors; the given prediction wins over the row's."""
    monitor.observe(row, np.array([0.1]))
    monitor.flush()
    assert len(binned(monitor, "x")) == 1
    assert set(binned(monitor, "x")) <= {"04", "05"}  # the edges are quantiles of a sample
    assert binned(monitor, "c") == {"a": 1}
    assert set(binned(monitor, "prediction")) <= {"00", "01"}


def test_a_missing_value_is_null_and_a_wrong_type_is_other(monitor):
    """Both are findings, and neither is an exception."""
    monitor.observe({"c": 5}, "no number")
    monitor.flush()
    assert binned(monitor, "x") == {"__null__": 1}
    assert binned(monitor, "c") == {"__other__": 1}
    assert binned(monitor, "prediction") == {"__other__": 1}


@pytest.mark.parametrize("row", [None, 5, "text", [1.0], object()])
def test_what_is_no_row_is_counted_as_unreadable(monitor, row):
    """Nothing may be dropped in silence."""
    monitor.observe(row)
    monitor.observe({"x": 0.0, "c": "a"}, 0.5)
    monitor.flush()
    assert monitor.dropped() == {"queue_full": 0, "closed": 0, "unreadable": 1}
    assert watch_of(monitor, "x").rows == 1


def test_rows_beyond_the_queue_are_dropped_and_counted(profile):
    """A service that is busier than we can count keeps its memory."""
    monitor = Monitor(profile, queue_rows_max=10)
    with monitor._lock:  # as if the counting thread got no turn
        for row in rows(25):
            monitor.observe(row)
    monitor.close()
    monitor.observe(rows(1)[0])
    assert monitor.dropped() == {"queue_full": 15, "closed": 1, "unreadable": 0}
    assert watch_of(monitor, "x").rows == 10


def test_rows_from_many_threads_are_all_counted(monitor):
    """Servers are threaded; a lost row is a wrong count."""
    given = rows(500)
    threads = [threading.Thread(target=lambda: [monitor.observe(row) for row in given]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watch_of(monitor, "x").rows == 4_000


def test_the_thread_counts_without_being_asked(monitor):
    """A service never calls flush."""
    counted = threading.Event()
    inner = monitor._live.add
    monitor._live.add = lambda *given: (inner(*given), counted.set())[0]
    monitor.observe({"x": 0.0, "c": "a"})
    assert counted.wait(10)


def test_a_forked_child_counts_its_own_rows(monitor):
    """Otherwise a fleet of workers counts the parent's rows once for each worker."""
    for row in rows(100):
        monitor.observe(row)
    monitor.flush()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        for row in rows(30):
            monitor.observe(row)
        os.write(write, str(watch_of(monitor, "x").rows).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"30"
    assert watch_of(monitor, "x").rows == 100


@pytest.mark.slow
def test_a_process_may_fork_in_the_middle_of_counting(profile):
    """The child's locks are its own, whatever the parent's threads held at that moment."""
    monitor = Monitor(profile, block_rows=BLOCK)
    stop = threading.Event()

    def work():
        for row in itertools.cycle(rows(500)):
            monitor.observe(row, 0.5, id=1)
            if stop.is_set():
                return

    def look():
        while not stop.is_set():
            monitor.state()

    threads = [threading.Thread(target=work), threading.Thread(target=look)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            child = os.fork()
            if child == 0:
                signal.alarm(20)  # ends a child that waits for a lock nobody holds any more
                for row in rows(BLOCK):
                    monitor.observe(row, 0.5)
                monitor.label(1, 1)
                Monitor(profile).close()
                counted = watch_of(monitor, "x").rows
                os._exit(0 if counted == BLOCK else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        monitor.close()


def test_rows_labels_and_batches_from_many_threads_are_all_counted(profile):
    """Whatever is called at the same time, nothing is lost and nothing is counted twice."""
    monitor = Monitor(profile, block_rows=BLOCK)
    given = rows(200)
    batch = {"x": np.zeros(100), "c": np.array(["a"] * 100)}

    def work(number):
        for i, row in enumerate(given):
            monitor.observe(row, 0.5, id=(number, i))
            monitor.label((number, i), 1)
        monitor.observe_batch(batch)
        monitor.state()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watch_of(monitor, "x").rows == 8 * (200 + 100)
    assert monitor.labels()["joined"] == 8 * 200
    assert sum(monitor.dropped().values()) == 0
    monitor.close()


def test_a_profile_that_cannot_be_used_replaces_nothing(monitor):
    """The old one goes on."""
    monitor.observe({"x": 0.0, "c": "a"}, 0.5)
    with pytest.raises(DataError, match="cannot be read"):
        monitor.replace("no such file.json")
    assert watch_of(monitor, "x").rows == 1


def test_evidence_outlives_a_restart(profile, tmp_path):
    """A service that is deployed daily would otherwise never see slow drift."""
    straight = Monitor(profile, block_rows=BLOCK)
    given = [rows(400), rows(2_000, shift=0.35, seed=5)]
    for row in given[0] + given[1]:
        straight.observe(row, 0.5)
    for part in given:
        restarted = Monitor(profile, block_rows=BLOCK, state=tmp_path / "state.json")
        for row in part:
            restarted.observe(row, 0.5)
        restarted.close()
    assert watch_of(restarted, "x").log_e == pytest.approx(watch_of(straight, "x").log_e, abs=1e-9)
    straight.close()


def test_the_state_of_another_profile_is_not_used(profile, tmp_path, caplog):
    """Bins with the same numbers are not the same bins."""
    other = Profile.of({"x": np.arange(1_000.0)}, model="m")
    Monitor(other, state=tmp_path / "state.json").close()
    Monitor(profile, state=tmp_path / "state.json").close()
    assert "is of another profile or other settings. The monitor starts anew." in caplog.text


def test_what_waits_is_counted_when_the_program_ends(tmp_path, profile):
    """Short jobs end before the thread's first turn."""
    profile.write(tmp_path / "p.json")
    code = (
        "import mlobs; from pathlib import Path\n"
        f"there = Path({str(tmp_path)!r})\n"
        "monitor = mlobs.Monitor(there / 'p.json', block_rows=5, state=there / 's.json')\n"
        "for _ in range(10): monitor.observe({'x': 0.0, 'c': 'a'}, 0.5)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert '"blocks":2' in (tmp_path / "s.json").read_text()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"floor": 1.5}, "floor=1.5 cannot be used: a share from 0 to below 1"),
        ({"false_alarms_per_year": 0}, "false_alarms_per_year=0 cannot be used: it must be above 0"),
        ({"block_rows": 0}, "block_rows=0 cannot be used: at least 1 row"),
        ({"on_alarm": "x"}, "on_alarm='x' cannot be used: a function was expected"),
        ({"model": 3}, "model=3 cannot be used: a name was expected, such as 'churn@7'"),
        ({"by": "c"}, r"by=\['c'\] cannot be used: the profile has no segments.*--by c -o"),
    ],
)
def test_wrong_settings_are_refused_at_the_start(profile, given, sentence):
    """At configuration we raise; in requests we count."""
    with pytest.raises(SettingError, match=sentence):
        Monitor(profile, **given)


def test_a_monitor_without_a_model_is_refused():
    """Its metrics would say that something somewhere has drifted."""
    with pytest.raises(SettingError, match=r"A monitor needs the model's name\. Give it model='churn@7', or"):
        Monitor(Profile.of({"x": [1.0]}))


def test_data_in_the_place_of_a_profile_is_refused():
    """It is the first thing one tries."""
    with pytest.raises(SettingError, match=r"A DataFrame is no profile\..*Profile\.of\(data\)"):
        Monitor(pd.DataFrame({"x": [1.0]}), model="m")


def test_one_column_of_segments_needs_no_list():
    """A text is one name, not its letters."""
    data = {"x": np.arange(1_000.0), "country": ["it", "de"] * 500}
    monitor = Monitor(Profile.of(data, by=["country"]), model="m", by="country")
    assert {watch.segment for watch in monitor.state()} >= {"", "it", "de"}
    monitor.close()


def test_a_monitor_without_segments_is_of_the_same_profile():
    """Its counts and those of monitors with segments are compared with one reference."""
    profile = Profile.of({"x": np.arange(1_000.0), "c": ["a", "b"] * 500}, model="m", by="c")
    monitor = Monitor(profile, by=[])
    assert monitor.ref == profile.ref
    assert {watch.segment for watch in monitor.state()} == {""}
    monitor.close()


def test_a_state_that_cannot_be_written_is_refused_at_the_start(profile, tmp_path):
    """Not thirty seconds later, in a log."""
    with pytest.raises(SettingError, match=r"state='.*' cannot be used: the file cannot be written: "):
        Monitor(profile, state=tmp_path / "no such folder" / "state.json")
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_cannot_be_written_any_more_says_that_counting_goes_on(profile, tmp_path, caplog):
    """No span is incomplete by it."""
    _guard.failures.clear()
    monitor = Monitor(profile, state=tmp_path / "state.json")
    (tmp_path / "state.json").mkdir()
    monitor.close()
    assert "failed while saving a monitor's state. Counting goes on; saving is tried again." in caplog.text
