"""The journal under groups, ages and torn files: what is acknowledged is kept, whole and in order."""

import io
import queue
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

from mlobs.errors import StoreError
from mlobs.server import journal as journal_module
from mlobs.server.framing import frame, messages, whole_bytes
from mlobs.server.journal import GROUP_BYTES_MAX, OPEN, SEALED, Journal
from tests.examples import examples
from tests.server.journals import WAIT_SECONDS, Run, read

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
            assert not wait(futures, WAIT_SECONDS).not_done
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


@settings(max_examples=examples(150))
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
