"""What the server remembers of fleets: a file that may be of another release, or damaged."""

import json
import logging

import pytest
import requests

from mlobs.cli.fleet import FILE, FleetDrift
from mlobs.errors import SettingError
from mlobs.settings import DriftSettings, load
from tests.server.fleet.points import BINS, Pod


@pytest.fixture
def path(served):
    found = served.settings.data.absolute() / FILE
    yield found
    found.unlink(missing_ok=True)


@pytest.mark.parametrize(
    "content",
    [
        b'{"cohorts": [{"features": []}]}',
        *(pytest.param(one, marks=pytest.mark.slow) for one in (b"\xff\xfe\x00", b"", b"[" * 5000)),
    ],
)
def test_a_damaged_file_is_said_and_the_fleet_begins_anew(served, path, caplog, content):
    """The server starts, judges, and writes a whole file in its place."""
    path.write_bytes(content)
    drift = FleetDrift(load(DriftSettings))
    with caplog.at_level(logging.WARNING, "mlobs.drift"):
        drift.begin(served)()
    [said] = [record.getMessage() for record in caplog.records]
    assert f"{path} is damaged or of another release" in said
    Pod(served, "remembered", "one").send(dict.fromkeys(BINS, 100))
    served.drain()
    assert drift.look() == []
    assert "remembered" in path.read_text()
    again = FleetDrift(load(DriftSettings))
    again.begin(served)()
    again.look()
    assert json.loads(path.read_bytes())["cohorts"]
    served.drain()
    assert 'mlobs_model_name="remembered"' in requests.get(f"{served.url}/metrics", timeout=30).text


def test_a_file_that_cannot_be_read_stops_the_start_with_a_sentence(served, path):
    """Nothing is thrown away that somebody can still make readable."""
    path.mkdir()
    try:
        with pytest.raises(SettingError, match=r"cannot be read: Is a directory\. Make it readable\."):
            FleetDrift(load(DriftSettings)).begin(served)
    finally:
        path.rmdir()


@pytest.mark.parametrize("count", [float("inf"), float("nan"), -4.0])
def test_impossible_counts_take_nobody_s_metrics_away(served, count):
    """What cannot be is left out; /metrics answers with everything else."""
    model = f"boundless{count}"
    Pod(served, model, "one").send({**dict.fromkeys(BINS, 7), "00": count})
    served.drain()
    answer = requests.get(f"{served.url}/metrics", timeout=30)
    assert answer.status_code == 200
    told = [
        line
        for line in answer.text.splitlines()
        if line.startswith("mlobs_drift_observations_total") and f'mlobs_model_name="{model}"' in line
    ]
    assert len(told) == len(BINS) - 1
    assert all(line.endswith(" 7.0") and 'mlobs_bin="00"' not in line for line in told)
