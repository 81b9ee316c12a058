"""`mlobs collector run` says what `validate` would, and starts all the same."""

import pytest

from mlobs.cli.collector.configurations import sources
from mlobs.cli.collector.judging import unread, warnings
from tests.collectors import sidecar
from tests.collectors.configured import configured, settings
from tests.waiting import until

TYPOS = "exporters: {otlp_http: {timout: 5s, tls: {ca_fil: /x}}}\n"
SIDECAR = {"MLOBS_ENDPOINT": "http://127.0.0.1:1"}


def said(name, *more, **environment):
    """Return what is said at the start of a configuration that ships with mlobs."""
    files = sources(name, (), more)
    return warnings(name, files, more, settings(files, **{**SIDECAR, **environment}))


def test_a_misspelt_setting_of_a_file_of_one_s_own_is_told_with_its_line(tmp_path):
    """The collector itself passes those of HTTP clients in silence."""
    file = tmp_path / "mine.yaml"
    file.write_text(TYPOS)
    lines = said("sidecar", str(file))
    assert [line.partition("'")[0] for line in lines] == [
        f"{file}:1: exporters.otlp_http.timout: ",
        f"{file}:1: exporters.otlp_http.tls.ca_fil: ",
    ]
    assert lines[1].endswith("Did you mean 'ca_file'?")


def test_a_receiver_that_anybody_reaches_is_told_with_its_variable():
    """It asks nobody for a token."""
    [line] = said("sidecar", MLOBS_SIDECAR_HTTP="0.0.0.0:4318")
    assert "'0.0.0.0:4318' listens beyond this machine, and nobody is asked who they are." in line
    assert line.endswith("It comes from $MLOBS_SIDECAR_HTTP.")


@pytest.mark.parametrize("name", ["sidecar", "gateway", "sampler", "all-in-one"])
def test_of_what_ships_with_mlobs_nothing_is_said(name):
    """Not even where it sends in the open, which is told as the address it sends to."""
    given = dict.fromkeys(("MLOBS_GATEWAY_TOKEN_FILE", "MLOBS_SAMPLER_TOKEN_FILE"), "t")
    assert said(name, **given, MLOBS_ENDPOINT="http://server:4318", MLOBS_SAMPLER_INSECURE="true") == []


def test_notes_are_of_one_s_own_file_too():
    """A queue in memory loses data, and a name that is on its way out is worth knowing."""
    files = configured("endpoint: 'http://elsewhere:4318'")
    lines = warnings("my.yaml", files, (), settings(files))
    assert any("sends to 'http://elsewhere:4318' without TLS" in line for line in lines)
    assert any("the queue of 'otlp_http' is in memory" in line for line in lines)


def test_a_misspelt_variable_is_told_and_those_of_another_tier_are_not():
    """They may be in one environment."""
    files = sources("sampler")
    assert unread(files, {"MLOBS_SAMPLER_BASE_PERCNT": "50", "MLOBS_GATEWAY_HTTP": "h:1"}) == [
        "MLOBS_SAMPLER_BASE_PERCNT is set and nothing reads it; did you mean MLOBS_SAMPLER_BASE_PERCENT?"
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_all_of_it_stands_before_the_collector_s_own_log_which_warns_of_nothing(tmp_path):
    """Not of the token that stands for none either."""
    (tmp_path / "token").write_text("a-token")
    given = {"MLOBS_TOKEN_FILE": str(tmp_path / "token"), "MLOBS_SIDECAR_MEMRY_MIB": "3"}
    with sidecar.running(tmp_path, "http://127.0.0.1:1", **given):
        log = until(lambda: (tmp_path / "collector.log").read_text())
    assert "mlobs: MLOBS_SIDECAR_MEMRY_MIB is set and nothing reads it; did you mean" in log
    assert '"level":"warn"' not in log
