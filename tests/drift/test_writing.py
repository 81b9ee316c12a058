"""Profiles and states are replaced whole, and a state belongs to one process."""

import logging
import os
import subprocess
import sys

import numpy as np
import pytest

from mlobs.drift.monitor import Monitor
from mlobs.drift.profile import Profile
from mlobs.drift.streams.claims import claim
from mlobs.drift.writing import replace
from mlobs.errors import DataError


@pytest.fixture(scope="module")
def profile():
    return Profile.of({"x": np.random.default_rng(1).normal(size=2_000)}, model="m@1")


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    """Half a profile is worse than yesterday's."""
    file = tmp_path / "p.json"
    replace(file, "old")
    with pytest.raises(UnicodeEncodeError):
        replace(file, "half a \ud800")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_is_another_one_after_it_was_written(tmp_path):
    """Whoever has the old one open reads all of it."""
    file = tmp_path / "p.json"
    replace(file, "old")
    with file.open() as reader:
        replace(file, "new and longer")
        assert reader.read() == "old"
    assert file.read_text() == "new and longer"


def test_links_and_permissions_outlive_a_write(tmp_path):
    """A profile may be a link into a mounted folder, and readable by a group."""
    (tmp_path / "there").mkdir()
    real, link = tmp_path / "there" / "p.json", tmp_path / "p.json"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    replace(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o640


def test_what_is_no_file_is_written_to_and_stays(tmp_path, profile):
    """-o /dev/stdout must not become a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True)
    profile.write(pipe)
    assert '"x"' in reader.communicate(timeout=30)[0]
    assert list(tmp_path.iterdir()) == [pipe]
    assert pipe.is_fifo()


def test_a_profile_that_cannot_be_written_is_one_sentence(tmp_path, profile):
    """As before, whatever the way it is written."""
    with pytest.raises(DataError, match=r"The profile '.*' cannot be written: "):
        profile.write(tmp_path / "no folder" / "p.json")
    with pytest.raises(DataError, match=r"The profile '.*' cannot be written: Is a directory"):
        profile.write(tmp_path)


HOLDS = """
import sys
from pathlib import Path
from mlobs.drift.streams.claims import claim
print(claim(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def hold(path, code=HOLDS):
    """Return another process that has claimed a file, until its standard input ends."""
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "True\n"
    return other


def test_a_state_that_another_process_has_is_neither_read_nor_written(tmp_path, profile, caplog):
    """Two processes with one file would each undo the other's evidence."""
    file = tmp_path / "state.json"
    file.write_text("the other's")
    other = hold(file)
    with caplog.at_level(logging.WARNING, "mlobs"):
        monitor = Monitor(profile, state=file)
    assert f"{file} is in use by another process. The monitor starts anew, and saves nothing" in caplog.text
    monitor.observe({"x": 0.0})
    monitor.close()
    assert file.read_text() == "the other's"
    other.communicate()
    again = Monitor(profile, state=file)
    again.close()
    assert "profile_ref" in file.read_text()


def test_a_claim_ends_with_its_process_and_not_with_its_children(tmp_path):
    """A service may fork workers and end before they do, and its successor needs the file."""
    file = tmp_path / "state.json"
    in_child = "import os\nif not os.fork(): print('forked', flush=True), sys.stdin.read()\nos._exit(0)"
    parent = hold(file, HOLDS.replace("sys.stdin.read()", in_child))
    assert parent.stdout.readline() == "forked\n"
    assert parent.wait() == 0
    assert claim(file)
    assert claim(file)
    parent.communicate()


def test_a_forked_child_has_no_claim_of_its_parent(tmp_path):
    """It would write over what the parent saves."""
    file = tmp_path / "state.json"
    assert claim(file)
    child = os.fork()
    if not child:
        os._exit(0 if not claim(file) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
