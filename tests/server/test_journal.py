"""The journal under groups, ages, torn files and a disk that fails: nothing acknowledged is lost."""

import errno
import io
import os
import pathlib
import queue
import shutil
import sys
import tempfile
import threading
import types
from concurrent.futures import Future, wait
from pathlib import Path

import pytest
from google.protobuf import proto
from google.protobuf.wrappers_pb2 import BytesValue
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from mlobs.errors import StoreError
from mlobs.server import journal as journal_module
from mlobs.server.framing import frame, messages, whole_bytes
from mlobs.server.journal import GROUP_BYTES_MAX, OPEN, SEALED, Journal

WAIT_SECONDS = 30
FOREVER_SECONDS = 3600.0


def ours(message: bytes) -> bool:
    return message.startswith(b"m")


def read(path: Path) -> list[bytes]:
    """Return the messages of a file, which must hold nothing else."""
    data = path.read_bytes()
    found = list(messages(data))
    assert (found[-1][1] if found else 0) == len(data), f"{path.name} ends in half a message"
    return [message for message, _ in found]


class Disk:
    """The operating system as the journal sees it, which can be told to fail.

    Nothing is synced for real: no test pulls the plug, and syncing takes most of the time.
    """

    def __init__(self) -> None:
        self.faults: dict[str, list[int | None]] = {}  # What the next calls do: an errno, or None for fine.
        self.calls_left: int | None = None  # Until the process is killed and reaches nothing more.
        self.files: set[int] = set()
        self.synced: list[int] = []
        self.hold = threading.Event()
        self.hold.set()

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def may_fail(self, call: str) -> None:
        if self.calls_left is not None:
            if self.calls_left == 0:
                raise OSError(errno.EIO, "killed")
            self.calls_left -= 1
        if (waiting := self.faults.get(call)) and (number := waiting.pop(0)) is not None:
            raise OSError(number, os.strerror(number))

    def open(self, path: Path, *arguments: int) -> int:
        self.may_fail("open")
        file = os.open(path, *arguments)
        self.files.add(file)
        return file

    def end_process(self) -> None:
        """Do what the kernel does for a process that ended."""
        for file in self.files:
            os.close(file)
        self.files.clear()
        self.faults.clear()
        self.calls_left = None

    def close(self, file: int) -> None:
        self.files.discard(file)
        os.close(file)

    def write(self, file: int, data: memoryview) -> int:
        if self.faults.get("short"):
            self.faults["short"].pop(0)
            data = data[: max(1, len(data) // 2)]
        self.may_fail("write")
        return os.write(file, data)

    def fdatasync(self, file: int) -> None:
        assert self.hold.wait(WAIT_SECONDS)
        self.may_fail("fdatasync")
        self.synced.append(os.fstat(file).st_size)

    def fsync(self, _: int) -> None:
        self.may_fail("fsync")

    def ftruncate(self, file: int, size: int) -> None:
        self.may_fail("ftruncate")
        os.ftruncate(file, size)


class Folder(type(pathlib.Path())):  # type: ignore[misc]
    """A path that asks the disk before it is renamed or removed."""

    disk: Disk

    def rename(self, target: Path) -> Path:
        self.disk.may_fail("rename")
        return super().rename(target)

    def unlink(self, missing_ok: bool = False) -> None:
        self.disk.may_fail("unlink")
        super().unlink(missing_ok)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(journal_module, "os", made)
    return made


class Run:
    """A journal and what it handed on."""

    def __init__(
        self, folder: Path, *, size: int = 1 << 20, seconds: float = FOREVER_SECONDS, **given
    ) -> None:
        self.handed_on: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self.journal = Journal(
            folder,
            "traces",
            self.handed_on.put,
            ours,
            segment_bytes_max=size,
            segment_seconds_max=seconds,
            **given,
        )
        self.journal.start()

    def append(self, message: bytes) -> None:
        self.journal.append(message).result(WAIT_SECONDS)

    def next(self) -> Path:
        return self.handed_on.get(timeout=WAIT_SECONDS)

    def stop(self) -> list[Path]:
        """Stop, and return what was handed on and not taken with `next`."""
        self.journal.stop()
        return [self.handed_on.get() for _ in range(self.handed_on.qsize())]


# Framing


@given(st.lists(st.binary(min_size=1, max_size=400)))
def test_protobuf_reads_what_is_framed(contents):
    """The engine reads segments with protobuf's own reader, so the framing must be exactly its."""
    written = [BytesValue(value=content) for content in contents]
    data = b"".join(frame(message.SerializeToString()) for message in written)
    theirs = io.BytesIO()
    for message in written:
        proto.serialize_length_prefixed(message, theirs)
    assert data == theirs.getvalue()
    theirs.seek(0)
    found = list(iter(lambda: proto.parse_length_prefixed(BytesValue, theirs), None))
    assert found == [BytesValue.FromString(message) for message, _ in messages(data)] == written


@pytest.mark.parametrize("size", [1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_lengths_at_the_edges_of_a_varint_are_read_back(size):
    """One more byte of length begins exactly there."""
    assert [(len(message), end) for message, end in messages(frame(b"m" * size))] == [
        (size, len(frame(b"m" * size)))
    ]


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data):
    """A torn file may hold anything; what is kept of it are whole frames from the start."""
    kept = whole_bytes(data, lambda _: True)
    assert b"".join(frame(message) for message, _ in messages(data[:kept])).endswith(
        b"".join(message for message, _ in list(messages(data))[-1:])
    )
    assert kept <= len(data)
    assert whole_bytes(data[:kept], lambda _: True) == kept


# Group commit


def test_all_that_wait_share_one_sync(tmp_path, disk):
    """A sync takes milliseconds; one for each request would be a few hundred requests a second."""
    run = Run(tmp_path)
    disk.hold.clear()
    first = run.journal.append(b"m first")
    rest = [run.journal.append(b"m %d" % number) for number in range(200)]
    assert not any(future.done() for future in [first, *rest])
    disk.hold.set()
    wait([first, *rest], WAIT_SECONDS)
    # Two, or three when the writer saw a part of the rest before it was held.
    assert len(disk.synced) <= 3
    assert read(run.stop()[0]) == [b"m first", *(b"m %d" % number for number in range(200))]


def test_a_message_is_on_the_disk_when_its_future_is_done(tmp_path, disk):
    """The acknowledgement is the promise that a crash in the next instant loses nothing."""
    run = Run(tmp_path)
    total, late = 0, []

    def check(end: int) -> None:
        if max(disk.synced, default=0) < end:
            late.append(end)

    futures = []
    for number in range(300):
        message = b"m %d" % number
        total += len(frame(message))
        futures.append(run.journal.append(message))
        futures[-1].add_done_callback(lambda _, end=total: check(end))
    wait(futures, WAIT_SECONDS)
    run.stop()
    assert late == []


def test_a_large_group_is_written_in_parts(tmp_path, disk):
    """Requests that wait hold memory twice while they are joined, so a group has a limit."""
    run = Run(tmp_path, size=1 << 30)
    disk.hold.clear()
    body = b"m" * (GROUP_BYTES_MAX // 2)
    futures = [run.journal.append(body) for _ in range(7)]
    disk.hold.set()
    wait(futures, WAIT_SECONDS)
    assert max(b - a for a, b in zip([0, *disk.synced], disk.synced, strict=False)) <= 3 * len(body)
    assert len(read(run.stop()[0])) == 7


# Sealing


def test_a_segment_is_sealed_at_its_size(tmp_path):
    """What is loaded at once must fit in memory."""
    run = Run(tmp_path, size=100)
    for number in range(10):
        run.append(b"m %028d" % number)
    sealed = [run.next(), run.next()]
    assert [len(read(path)) for path in sealed] == [4, 4]
    assert [len(read(path)) for path in run.stop()] == [2]


def test_a_segment_is_sealed_at_its_age(tmp_path):
    """A lone request can be asked for soon, though nothing comes after it."""
    run = Run(tmp_path, seconds=0.02)
    run.append(b"m lone")
    assert read(run.next()) == [b"m lone"]
    assert run.stop() == []


def test_age_does_not_seal_while_the_loader_is_behind(tmp_path):
    """Many small segments cost the loader more than few large ones; then it would never catch up."""
    looks: queue.SimpleQueue[bool] = queue.SimpleQueue()
    caught_up = threading.Event()

    def behind() -> bool:
        looks.put(True)
        return not caught_up.is_set()

    run = Run(tmp_path, seconds=0.01, behind=behind)
    run.append(b"m 0")
    for _ in range(3):
        assert looks.get(timeout=WAIT_SECONDS)
    run.append(b"m 1")
    assert run.handed_on.empty()
    caught_up.set()
    assert read(run.next()) == [b"m 0", b"m 1"]
    assert run.stop() == []


def test_size_and_wish_seal_though_the_loader_is_behind(tmp_path):
    """Only age can wait: a segment has a limit, and someone waits for `seal`."""
    run = Run(tmp_path, size=20, seconds=0.01, behind=lambda: True)
    run.append(b"m" * 30)
    assert read(run.next()) == [b"m" * 30]
    run.append(b"m small")
    run.journal.seal().result(WAIT_SECONDS)
    assert run.handed_on.qsize() == 1
    run.stop()


def test_nothing_is_sealed_where_nothing_was_written(tmp_path):
    """Draining an idle server must not make empty segments."""
    run = Run(tmp_path)
    run.journal.seal().result(WAIT_SECONDS)
    assert run.stop() == []
    assert list(tmp_path.iterdir()) == []


def test_after_the_stop_messages_are_refused(tmp_path):
    """A request that comes too late gets an answer, not silence."""
    run = Run(tmp_path)
    run.stop()
    run.stop()
    with pytest.raises(StoreError, match="stopping and takes no more data"):
        run.append(b"m late")


def test_every_message_is_answered_though_the_journal_stops(tmp_path):
    """A request that came while it stopped must not wait for ever."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(20):
            (folder := tmp_path / str(number)).mkdir()
            run, futures = Run(folder), []
            begun = threading.Event()
            sender = threading.Thread(target=send_until_refused, args=(run.journal, futures, begun))
            sender.start()
            begun.wait(WAIT_SECONDS)
            paths = run.stop()
            sender.join(WAIT_SECONDS)
            assert not wait(futures, 5).not_done
            written = [message for path in paths for message in read(path)]
            assert len(written) == sum(future.exception() is None for future in futures)
    finally:
        sys.setswitchinterval(interval)


def send_until_refused(journal: Journal, futures: list["Future[None]"], begun: threading.Event) -> None:
    refused = 0
    while refused < 3:
        futures.append(journal.append(b"m %d" % len(futures)))
        begun.set()
        refused += futures[-1].done() and futures[-1].exception() is not None


# Names


def test_names_grow_though_the_clock_goes_back(tmp_path, monkeypatch):
    """A name that came twice would make the store take new data for old, and drop it."""
    clock = [5_000]
    ticks = types.SimpleNamespace(monotonic=journal_module.time.monotonic, time_ns=lambda: clock[0])
    monkeypatch.setattr(journal_module, "time", ticks)
    names = []
    for now in (5_000, 4_000, 4_000):
        clock[0] = now
        run = Run(tmp_path, size=1)
        left = [path.name for path in run.stop()] if names else []
        assert left == names, "a restart hands on what was left, oldest first"
        run = Run(tmp_path, size=1)
        for number in range(3):
            run.append(b"m %d" % number)
            clock[0] -= 1_000
        names = [path.name for path in run.stop()]
    assert names == sorted(set(names))
    assert len(names) == 9
    assert [path.name for path in Journal.segments(tmp_path, "traces")] == names


def test_names_grow_over_restarts_that_found_an_empty_folder(tmp_path):
    """Everything was loaded and deleted: only the clock knows which names were used."""
    names = []
    for number in range(5):
        run = Run(tmp_path)
        run.append(b"m %d" % number)
        for path in run.stop():
            names.append(path.name)
            path.unlink()
    assert names == sorted(set(names))
    assert len(names) == 5


def test_signals_share_a_folder_and_not_their_segments(tmp_path):
    """Each signal has a loader that reads nothing else."""
    (tmp_path / f"logs-{1:020d}{SEALED}").write_bytes(frame(b"m log"))
    (tmp_path / f"logs-{2:020d}{OPEN}").write_bytes(frame(b"m log"))
    run = Run(tmp_path)
    run.append(b"m trace")
    assert [path.name.partition("-")[0] for path in run.stop()] == ["traces"]
    assert len(list(tmp_path.glob("logs-*"))) == 2


# Torn files

contents = st.lists(st.binary(max_size=200).map(lambda some: b"m" + some), min_size=1, max_size=8)


@settings(max_examples=150)
@given(contents, st.data())
def test_of_a_torn_segment_the_whole_messages_are_kept(written, data):
    """Whatever the crash cut off: the messages before it are handed on, sealed, and nothing else."""
    whole = b"".join(map(frame, written))
    cut = data.draw(st.integers(0, len(whole)), label="cut at")
    tail = data.draw(st.sampled_from([b"", b"\0", b"\0" * 40, b"\x03xyz"]), label="then")
    kept = [message for message, end in messages(whole) if end <= cut]
    kept_bytes = sum(len(frame(message)) for message in kept)
    if kept_bytes < cut:
        tail = b""  # What follows half a message would be taken for its other half.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torn = folder / f"traces-{7:020d}{OPEN}"
        torn.write_bytes(whole[:cut] + tail)
        paths = Run(folder).stop()
        assert [message for path in paths for message in read(path)] == kept
        assert [path.name for path in paths] == ([torn.with_suffix(SEALED).name] if kept else [])
        assert list(folder.iterdir()) == paths


def test_what_is_left_is_handed_on_before_what_is_new(tmp_path):
    """The store's totals and the order of arrival stay in step."""
    (tmp_path / f"traces-{5:020d}{SEALED}").write_bytes(frame(b"m old"))
    (tmp_path / f"traces-{6:020d}{OPEN}").write_bytes(frame(b"m torn") + b"\x09m ha")
    run = Run(tmp_path)
    run.append(b"m new")
    assert [read(path) for path in run.stop()] == [[b"m old"], [b"m torn"], [b"m new"]]


def test_a_folder_that_cannot_be_read_is_one_sentence(tmp_path):
    """It is shown to whoever started the server."""
    (tmp_path / f"traces-{5:020d}{OPEN}").mkdir()
    with pytest.raises(StoreError, match=r"The journal in .* cannot be read: .*Is a directory"):
        Run(tmp_path)


# A disk that fails


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


FailingDisk.TestCase.settings = settings(max_examples=60, stateful_step_count=25)
test_nothing_acknowledged_is_lost_whatever_the_disk_does = FailingDisk.TestCase
