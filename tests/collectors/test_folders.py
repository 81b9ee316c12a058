"""The folders of the queues: who else has one is told, and a disk that is too small for them."""

import fcntl

import pytest

from mlobs.cli.collector.configurations import sources
from mlobs.cli.collector.folders import check_held, cramped, folders
from mlobs.errors import SettingError
from tests.collectors import sidecar
from tests.collectors.configured import configured, settings
from tests.collectors.files import collector
from tests.processes import free_port

MIB = 2**20


def beside(folder, **more):
    return settings(
        sources("sidecar"), MLOBS_ENDPOINT="http://h", MLOBS_SIDECAR_QUEUE=str(folder / "queue"), **more
    )


@pytest.mark.parametrize(
    ("name", "family", "mib"),
    [("sidecar", "SIDECAR", 768), ("gateway", "GATEWAY", 3072), ("sampler", "SAMPLER", 1024)],
)
def test_each_exporter_has_a_queue_for_each_signal(tmp_path, name, family, mib):
    """A gateway has eight of traces, and one each of metrics and logs."""
    given = {"MLOBS_ENDPOINT": "http://h", f"MLOBS_{family}_QUEUE": str(tmp_path)}
    [one] = folders(settings(sources(name), **given))
    assert (one.path, one.variable, one.bytes) == (tmp_path, f"MLOBS_{family}_QUEUE", mib * MIB)


def test_a_disk_that_is_too_small_for_the_queues_is_told(tmp_path):
    """A full one loses what was acknowledged."""
    [line] = cramped(beside(tmp_path, MLOBS_SIDECAR_QUEUE_BYTES=str(2**60)))
    assert line.startswith(
        f"The queues in {tmp_path}/queue ($MLOBS_SIDECAR_QUEUE) fill up to {15 * 2**38} MiB"
    )
    assert "On a full disk the collector loses what it has acknowledged." in line
    assert line.endswith("or let the queues be smaller: $MLOBS_SIDECAR_QUEUE_BYTES.")
    assert cramped(beside(tmp_path, MLOBS_SIDECAR_QUEUE_BYTES="1")) == []


def test_queues_in_memory_have_no_folder(tmp_path):
    """Nor those of a file without any."""
    assert folders(settings(configured())) == []


@pytest.mark.slow
def test_a_folder_that_another_process_has_stops_the_start(tmp_path):
    """The collector would call it a timeout."""
    (tmp_path / "queue").mkdir()
    with (tmp_path / "queue" / "exporter_otlp_http__traces").open("w") as held:
        check_held(beside(tmp_path))
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(
            SettingError, match=r"has the queues in .*/queue open.* with \$MLOBS_SIDECAR_QUEUE,"
        ):
            check_held(beside(tmp_path))
    check_held(beside(tmp_path))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_sidecars_with_one_folder_are_told_apart(tmp_path):
    """The second does not start, and says which folder."""
    with sidecar.running(tmp_path, "http://127.0.0.1:1"):
        done = collector(
            "run",
            MLOBS_ENDPOINT="http://127.0.0.1:1",
            MLOBS_SIDECAR_QUEUE=str(tmp_path / "queue"),
            MLOBS_SIDECAR_METRICS_PORT=str(free_port()),
            **{f"MLOBS_SIDECAR_{part}": f"127.0.0.1:{free_port()}" for part in ("HTTP", "GRPC", "HEALTH")},
        )
    assert done.returncode == 2
    assert f"Another process has the queues in {tmp_path / 'queue'} open" in done.stderr
