"""`mlobs demo --traffic`: the service that a sidecar stands beside in the containers."""

import signal
import subprocess
import time

import pytest

from mlobs.cli import main
from tests.processes import MLOBS, process
from tests.sink import start


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_traffic_goes_where_the_settings_say_until_it_is_told_to_end(tmp_path, monkeypatch):
    """No server of its own; ended by an orchestrator it says goodbye and leaves no folder."""
    sink = start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    log = tmp_path / "log"
    with process(*MLOBS, "demo", "--traffic", log=log, stdin=subprocess.DEVNULL, cwd=tmp_path) as started:
        until = time.monotonic() + 300
        while not {"invoke_agent flight-desk", "predict arrival-delay"} <= names(sink):
            assert started.poll() is None, log.read_text()
            assert time.monotonic() < until, names(sink)
            time.sleep(0.2)
        started.send_signal(signal.SIGTERM)
        assert started.wait(120) == 0, log.read_text()
    assert "flight-desk serves 10 flights a second" in log.read_text()
    assert log.read_text().rstrip().endswith("Stopping.")
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def names(sink):
    return {span.name for span in sink.spans()}


def test_traffic_and_once_are_two_demos(capsys):
    """One ends by itself and the other never."""
    with pytest.raises(SystemExit):
        main(["demo", "--once", "--traffic"])
    assert "not allowed with argument" in capsys.readouterr().err
