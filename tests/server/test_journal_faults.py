"""A journal whose disk fails, and whose process is killed, at any call."""

import errno
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from mlobs.errors import StoreError
from mlobs.server import journal as journal_module
from tests.examples import examples
from tests.server.journals import WAIT_SECONDS, Disk, Folder, Run, read


def test_a_full_disk_refuses_with_the_reason_and_recovers(tmp_path, disk):
    """On call, one reads the reason; once there is room, nothing needs a restart."""
    run = Run(Path(tmp_path))
    run.append(b"m before")
    disk.faults = {"short": [1], "write": [None, errno.ENOSPC]}
    with pytest.raises(StoreError, match=r"The journal cannot write to .*: No space left on device"):
        run.append(b"m refused, and half of it was written")
    assert run.journal.failure == "No space left on device"
    run.append(b"m after")
    assert run.journal.failure is None
    assert [read(path) for path in run.stop()] == [[b"m before"], [b"m after"]]


def test_a_write_without_memory_is_refused_and_the_next_one_is_taken(tmp_path, disk, monkeypatch):
    """The thread that writes once ended then, and every sender waited for ever."""

    def write(*_: object) -> None:
        raise MemoryError

    run = Run(Path(tmp_path))
    run.append(b"m before")
    with monkeypatch.context() as patch:
        patch.setattr(disk, "write", write)
        with pytest.raises(StoreError, match=r"The journal cannot write to .*: MemoryError"):
            run.append(b"m refused")
    run.append(b"m after")
    assert [read(path) for path in run.stop()] == [[b"m before"], [b"m after"]]


def test_a_seal_that_failed_is_tried_again_and_then_forgotten(tmp_path, disk, monkeypatch):
    """Readiness must come back by itself, also when no new data comes."""
    monkeypatch.setattr(Folder, "disk", disk, raising=False)
    run = Run(Folder(tmp_path))
    run.append(b"m 0")
    disk.faults = {"rename": [errno.EIO]}
    with pytest.raises(StoreError, match=r"The journal cannot seal: Input/output error"):
        run.journal.seal().result(WAIT_SECONDS)
    assert run.journal.failure == "Input/output error"
    run.journal.seal().result(WAIT_SECONDS)
    assert run.journal.failure is None
    assert [read(path) for path in run.stop()] == [[b"m 0"]]


def test_a_segment_whose_rename_was_not_synced_takes_nothing_more(tmp_path, disk):
    """It has its sealed name already; a crash in the middle of a write to it would go unrepaired."""
    run = Run(tmp_path)
    run.append(b"m 0")
    disk.faults = {"fsync": [errno.EIO]}
    with pytest.raises(StoreError, match="cannot seal"):
        run.journal.seal().result(WAIT_SECONDS)
    run.append(b"m 1")
    run.journal.seal().result(WAIT_SECONDS)
    assert [read(path) for path in run.stop()] == [[b"m 0"], [b"m 1"]]


def test_a_segment_that_could_not_be_made_leaves_nothing_open(tmp_path, disk):
    """A disk that fails for an hour must not use up the process's files."""
    run = Run(tmp_path)
    disk.faults = {"fsync": [errno.EIO] * 3}
    for _ in range(3):
        with pytest.raises(StoreError, match="cannot write"):
            run.append(b"m refused")
    assert disk.files == set()
    assert list(tmp_path.iterdir()) == []
    run.stop()


sizes = st.lists(st.integers(0, 150), min_size=1, max_size=4)


class FailingDisk(RuleBasedStateMachine):
    """Appends, seals, loads, crashes and restarts in any order on a disk that fails at any call."""

    @initialize()
    def begin(self) -> None:
        self.disk = Disk()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(journal_module, "os", self.disk)
        self.patch.setattr(Folder, "disk", self.disk, raising=False)
        self.folder = Folder(tempfile.mkdtemp())
        self.sent = 0
        self.acknowledged: list[bytes] = []
        self.refused: set[bytes] = set()  # Since something was acknowledged.
        self.uncertain: set[bytes] = set()  # Refused, and perhaps not cut off yet when it crashed.
        self.loaded: list[bytes] = []
        self.names: list[str] = []
        self.run = Run(self.folder, size=400)

    @rule(sizes=sizes)
    def append(self, sizes: list[int]) -> None:
        bodies = []
        for size in sizes:
            self.sent += 1
            bodies.append(b"m%06d" % self.sent + b"." * size)
        futures = [self.run.journal.append(body) for body in bodies]
        for body, future in zip(bodies, futures, strict=True):
            if future.exception(WAIT_SECONDS) is None:
                self.acknowledged.append(body)
                self.refused.clear()
            else:
                self.refused.add(body)
        assert futures[-1].exception() is None or self.run.journal.failure is not None

    @rule()
    def seal(self) -> None:
        error = self.run.journal.seal().exception(WAIT_SECONDS)
        assert (error is None) or self.run.journal.failure is not None
        if error is None:
            self.load()
            assert set(self.acknowledged) <= set(self.loaded)

    @rule()
    def load(self) -> None:
        """What the loader does: read, then delete."""
        while not self.run.handed_on.empty():
            path = self.run.handed_on.get()
            self.names.append(path.name)
            self.loaded += read(path)
            Path(str(path)).unlink()
        assert self.names == sorted(set(self.names)), "names come once, and grow"

    @rule(
        call=st.sampled_from(
            ["open", "write", "short", "fdatasync", "fsync", "ftruncate", "rename", "unlink"]
        ),
        fine=st.integers(0, 2),
        failing=st.integers(1, 3),
        number=st.sampled_from([errno.ENOSPC, errno.EIO]),
        sizes=sizes,
    )
    def the_disk_fails(self, call: str, fine: int, failing: int, number: int, sizes: list[int]) -> None:
        self.disk.faults[call] = [None] * fine + [number] * failing
        self.append(sizes)
        self.seal()

    @rule()
    def the_disk_is_repaired(self) -> None:
        self.disk.faults.clear()
        self.append([3])
        assert self.refused == set()
        self.seal()
        assert self.run.journal.failure is None

    @rule(calls=st.integers(0, 12), sizes=sizes)
    def crash(self, calls: int, sizes: list[int]) -> None:
        """Kill it after so many calls and restart: what reached the files is there, nothing else."""
        self.disk.calls_left = calls
        self.append(sizes)
        self.seal()
        self.disk.calls_left = 0
        self.run.journal.stop()
        self.disk.end_process()
        self.uncertain |= self.refused
        self.run = Run(self.folder, size=400)

    def teardown(self) -> None:
        if not hasattr(self, "run"):
            return
        try:
            self.crash(0, [1])
            self.append([1])
            self.run.journal.stop()
            self.load()
            self.check()
        finally:
            self.patch.undo()
            shutil.rmtree(self.folder)

    def check(self) -> None:
        assert len(set(self.loaded)) == len(self.loaded), "nothing is handed on twice"
        extra = set(self.loaded) - set(self.acknowledged)
        assert extra <= self.uncertain, "what was refused was cut off"
        assert [body for body in self.loaded if body not in extra] == self.acknowledged
        assert self.disk.files == set()
        assert list(self.folder.iterdir()) == []


FailingDisk.TestCase.settings = settings(max_examples=examples(60), stateful_step_count=25)
test_nothing_acknowledged_is_lost_whatever_the_disk_does = FailingDisk.TestCase
