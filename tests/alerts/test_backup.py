"""A backup has the alerts: a restored store knows its silences, and tells nobody twice."""

import os
import subprocess
import sys
import tarfile

import pytest
import requests

from tests.alerts.mounted import up
from tests.alerts.posted import BODY, JSON
from tests.alerts.sink import webhook
from tests.alerts.waiting import wait_for

pytestmark = pytest.mark.slow
SILENCE = {"matchers": ["team=shop"], "for": "2h", "who": "ann", "why": "a deploy"}


def mlobs(*words):
    """Run a command as users do; return how it ended."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLOBS_")}
    command = [sys.executable, "-m", "mlobs", *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_a_restored_store_has_its_silences_and_deliveries_and_tells_nobody_twice(tmp_path):
    (tmp_path / "restored").mkdir()
    file = tmp_path / "store.tar"
    with webhook() as sink:
        with up(tmp_path, sink) as url:
            server = url.removesuffix("/api/alerts/receive")
            assert requests.post(url, data=BODY, headers=JSON, timeout=60).json()["changed"] == 1
            wait_for(lambda: "delivered" in deliveries(server))
            requests.post(f"{server}/api/alerts/silences", json=SILENCE, timeout=60).raise_for_status()
            silences = past(server)
            ended = mlobs("data", "backup", file, "--server", server)
            assert ended.returncode == 0, ended.stderr
        ended = mlobs("data", "restore", file, "--data", tmp_path / "restored" / "data")
        assert ended.returncode == 0, ended.stderr
        assert not list((tmp_path / "restored" / "data" / "store").glob("files*"))
        with up(tmp_path / "restored", sink) as url:
            server = url.removesuffix("/api/alerts/receive")
            assert "delivered" in deliveries(server)
            assert past(server) == silences
            again = requests.post(url, data=BODY, headers=JSON, timeout=60).json()
            assert (again["changed"], again["repeated"]) == (0, 1)
        assert len(sink.arrived) == 1
    ended = mlobs("data", "restore", without_files(file), "--data", tmp_path / "older")
    assert ended.returncode == 0, ended.stderr
    assert not list((tmp_path / "older").glob("*.sqlite"))
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "alerts.sqlite").touch()
    ended = mlobs("data", "restore", file, "--data", tmp_path / "taken")
    assert ended.returncode == 2
    assert "alerts.sqlite is there already; restore into an empty folder" in ended.stderr


def without_files(file):
    """Return the backup as an older release would have made it."""
    older = file.with_name("older.tar")
    with tarfile.open(file) as source, tarfile.open(older, "w") as target:
        for member in source:
            if not member.name.startswith("files/"):
                target.addfile(member, source.extractfile(member))
    return older


def deliveries(server):
    found = requests.get(f"{server}/api/alerts", timeout=60).json()["deliveries"]
    return [one["state"] for one in found]


def past(server):
    return requests.get(f"{server}/api/alerts/silences", timeout=60).json()
