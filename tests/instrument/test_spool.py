"""Requests on disk while the endpoint is away."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.instrument.transport import spool as module
from mlobs.instrument.transport.spool import Spool

ROOT = Path(__file__).parents[2]


def bodies(spool):
    """Take everything out of the spool."""
    found = []
    while (item := spool.oldest()) is not None:
        found.append((item.body, item.spans))
        spool.done(item)
    return found


def test_requests_come_back_oldest_first_also_in_another_process(tmp_path):
    """A restart in the middle of an outage is the usual case."""
    spool = Spool(tmp_path / "spool", 1 << 20)
    for number in range(12):
        assert spool.put(b"body %d" % number, number)
    again = Spool(tmp_path / "spool", 1 << 20)
    assert bodies(again) == [(b"body %d" % number, number) for number in range(12)]
    assert not again.waiting
    assert list((tmp_path / "spool").iterdir()) == []


def test_what_is_given_back_is_given_out_again(tmp_path):
    """The endpoint was still away."""
    spool = Spool(tmp_path, 1 << 20)
    spool.put(b"one", 1)
    item = spool.oldest()
    assert spool.oldest() is None  # claimed
    spool.back(item)
    assert bodies(spool) == [(b"one", 1)]


def test_a_claim_of_a_dead_process_is_taken_over_and_one_of_a_living_is_not(tmp_path):
    """A kill -9 in the middle of a delivery loses nothing, and two workers do not deliver twice."""
    spool = Spool(tmp_path, 1 << 20)
    spool.put(b"one", 1)
    code = (
        "import sys; from pathlib import Path; from mlobs.instrument.transport.spool import Spool\n"
        "item = Spool(Path(sys.argv[1]), 1 << 20).oldest(); print(item.spans, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as claimer:
        assert claimer.stdout.readline() == b"1\n"
        assert spool.oldest() is None
        claimer.kill()
    assert bodies(spool) == [(b"one", 1)]


def test_the_oldest_make_room_and_are_counted(tmp_path):
    """A bound on the disk is a bound."""
    spool = Spool(tmp_path, 1000)
    for _ in range(10):
        assert spool.put(b"x" * 200, 3)
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000
    assert spool.dropped == {"spool_full": 18}
    assert not spool.put(b"x" * 2000, 1)
    assert len(bodies(spool)) == 4


def test_what_nobody_will_read_makes_room_as_well(tmp_path):
    """Damaged files, and halves of processes that were killed, must not fill the spool for good."""
    spool = Spool(tmp_path, 1000)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for number in range(3):
        (tmp_path / f"{number:020d}-1-{number}.otlp.corrupt").write_bytes(b"x" * 200)
        (tmp_path / f"{number:020d}-{dead.pid}-{number}.otlp.part").write_bytes(b"x" * 100)
    living = tmp_path / f"{4:020d}-{os.getppid()}-4.otlp.part"
    living.write_bytes(b"x" * 100)
    assert spool.put(b"x" * 700, 3)
    assert spool.dropped == {}
    assert living.exists()
    assert len(bodies(spool)) == 1


def test_a_file_that_another_process_delivers_meanwhile_costs_nothing(tmp_path, monkeypatch):
    """Workers share a folder: what is listed may be gone when its size is asked."""
    spool = Spool(tmp_path, 1 << 20)
    other = Spool(tmp_path, 1 << 20)
    assert other.put(b"theirs", 1)
    listed = os.scandir

    def slow(folder):
        found = list(listed(folder))
        assert bodies(other) == [(b"theirs", 1)]
        return found

    monkeypatch.setattr(module.os, "scandir", slow)
    assert spool.put(b"ours", 1)
    monkeypatch.undo()
    assert bodies(spool) == [(b"ours", 1)]


@pytest.mark.parametrize("damage", ["torn", "flipped", "newer", "empty", "foreign"])
def test_what_is_no_request_is_set_aside_and_counted(tmp_path, damage):
    """A damaged file must neither stop the rest nor be sent."""
    spool = Spool(tmp_path, 1 << 20)
    spool.put(b"damaged " * 20, 5)
    [path] = tmp_path.iterdir()
    content = path.read_bytes()
    path.write_bytes(
        {
            "torn": content[:-7],
            "flipped": content[:-1] + bytes((content[-1] ^ 1,)),
            "newer": content[:12] + b"\x00\x09" + content[14:],
            "empty": b"",
            "foreign": b"not ours, but long enough to hold a header of ours",
        }[damage]
    )
    spool.put(b"sound", 1)
    assert bodies(spool) == [(b"sound", 1)]
    assert spool.dropped["spool_corrupt"] >= 1
    assert [p.name.endswith(".corrupt") for p in tmp_path.iterdir()] == [True]


def test_files_are_for_their_owner_only(tmp_path):
    """Spans may hold what others must not read."""
    spool = Spool(tmp_path / "spool", 1 << 20)
    spool.put(b"one", 1)
    [path] = (tmp_path / "spool").iterdir()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


class Crash(BaseException):
    """The process dies here."""


class Faults:
    """A file system that fails, or a process that dies, at chosen calls."""

    def __init__(self, plan):
        self.plan = list(plan)

    def wrap(self, name, real):
        def call(*args, **kwargs):
            fault = self.plan.pop(0) if self.plan else "fine"
            if fault == "crash":
                raise Crash
            if fault == "error":
                if name == "close":
                    real(*args, **kwargs)
                raise OSError(28, "No space left on device")
            if fault == "short" and name == "write":
                return real(args[0], bytes(args[1])[: max(1, len(args[1]) // 2)])
            done = real(*args, **kwargs)
            if fault == "crash after":
                raise Crash
            return done

        return call


FAULTS = st.lists(st.sampled_from(["fine"] * 6 + ["error", "short", "crash", "crash after"]), max_size=60)
STEPS = st.lists(st.sampled_from(["put", "put", "take", "deliver", "back"]), min_size=1, max_size=12)


@given(FAULTS, STEPS)
def test_nothing_that_was_kept_is_lost_whatever_fails(tmp_path_factory, plan, steps):
    """What `put` said True to is delivered, by this process or the next; nothing else ever is half."""
    folder = tmp_path_factory.mktemp("spool")
    kept, delivered, offered = set(), set(), set()
    patch = pytest.MonkeyPatch()
    faults = Faults(plan)
    try:
        for name in ("open", "write", "close", "scandir", "listdir"):
            patch.setattr(module.os, name, faults.wrap(name, getattr(os, name)))
        for name in ("rename", "unlink"):
            patch.setattr(module.Path, name, faults.wrap(name, getattr(Path, name)))
        spool, held = Spool(folder, 1 << 20), None
        for number, step in enumerate(steps):
            body = b"body %d" % number
            if step == "put":
                offered.add(body)
                if spool.put(body, 1):
                    kept.add(body)
            elif step == "take" and held is None:
                held = spool.oldest()
            elif step == "deliver" and held is not None:
                delivered.add(held.body)
                spool.done(held)
                held = None
            elif step == "back" and held is not None:
                spool.back(held)
                held = None
    except Crash:
        pass
    finally:
        patch.undo()
    # The next process has another id; what this one had claimed is an orphan to it.
    for path in folder.iterdir():
        if module.CLAIMED in path.name:
            path.rename(folder / f"{path.name.rpartition('-')[0]}-99999999")
    found = {body for body, _ in bodies(Spool(folder, 1 << 20))}
    assert kept - delivered <= found <= offered


@pytest.mark.slow
@pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root to mount a small file system; run the tests as root"
)
def test_a_full_disk_is_survived_and_used_again_when_there_is_room(tmp_path):
    """Degraded is a state, not an end."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "mlobs-test", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        filler = tmp_path / "filler"
        spool = Spool(tmp_path / "spool", 1 << 20)
        assert spool.put(b"x" * 1000, 1)
        filler.write_bytes(b"x" * 40_000)
        assert not spool.put(b"y" * 40_000, 1)
        assert not spool.healthy
        filler.unlink()
        assert spool.put(b"z" * 20_000, 1)
        assert spool.healthy
        assert [body[:1] for body, _ in bodies(spool)] == [b"x", b"z"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
