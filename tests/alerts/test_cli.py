"""`mlobs alerts` at the command line."""

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from mlobs.cli import main
from tests.alerts.listening import listening
from tests.yamls import loaded

ANSWER = {
    "firing": [
        {
            "rule": "MlobsFeatureDrift",
            "severity": "warning",
            "state": "firing",
            "since": "2027-01-15T07:58:30.000Z",
            "summary": "age of [bold]churn[/bold] moved.",
            "trace_ids": ["b" * 32, "c" * 32],
        }
    ],
    "pending": [],
    "rules": [
        {"rule": "MlobsErrorRatioHigh", "error": "no memory"},
        {"rule": "MlobsFeatureDrift", "error": None},
    ],
}


@contextmanager
def server(status, body):
    """Answer what is asked of alerts the same."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            known = self.path.partition("?")[0] in {"/api/alerts", "/api/alerts/deliveries"}
            self.send_response(status if known else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with listening(Handler) as port:
        yield f"http://127.0.0.1:{port}"


def test_list_prints_what_fires_and_which_rules_cannot_be_asked(capsys):
    """A rule that fails must not look like a rule that is well."""
    with server(200, json.dumps(ANSWER).encode()) as url:
        assert main(["alerts", "list", "--server", f"{url}/"]) == 0
    out, err = capsys.readouterr()
    assert "MlobsFeatureDrift" in out
    assert "age of [bold]churn[/bold] moved." in out
    assert "c" * 32 in out
    assert err.splitlines() == [
        "1 alert fires, 0 are about to",
        "MlobsErrorRatioHigh cannot be evaluated: no memory",
    ]


def test_list_says_what_is_wrong_in_a_file_line_by_line(capsys):
    """As the file's own check does."""
    wrong = {"rules_error": "rules.yml, line 3: x.\nrules.yml, line 4: y.", "routes_error": "routes.yml: z."}
    with server(200, json.dumps({**ANSWER, "rules": [], **wrong}).encode()) as url:
        assert main(["alerts", "list", "--server", url]) == 0
    assert capsys.readouterr().err.splitlines()[1:] == [
        "The former rules are evaluated: rules.yml, line 3: x.",
        "rules.yml, line 4: y.",
        "The former routes are used: routes.yml: z.",
    ]


def test_list_says_who_looks_after_an_alert(capsys):
    """Only where somebody does; a table has no empty columns."""
    marks = {"silence": {"until": "2027-01-15T09:58:30.000Z"}, "taken": {"who": "ann"}}
    seen = {**ANSWER, "firing": [{**ANSWER["firing"][0], **marks}], "pending": [ANSWER["firing"][0]]}
    for answer, shown in ((seen, True), (ANSWER, False)):
        with server(200, json.dumps(answer).encode()) as url:
            assert main(["alerts", "list", "--server", url]) == 0
        out = capsys.readouterr().out
        assert ("silenced until" in out and "taken by" in out) is shown
        assert ("2027-01-15 09:58" in out and "ann" in out) is shown


def test_list_tells_alerts_of_one_rule_apart_and_when_each_fired_and_began(capsys):
    known = {
        "started": "2027-01-15T08:03:30.000Z",
        "labels": {"service_name": "shop", "mlobs_feature": "age"},
    }
    seen = {**ANSWER, "firing": [{**ANSWER["firing"][0], **known}]}
    with server(200, json.dumps(seen).encode()) as url:
        assert main(["alerts", "list", "--server", url]) == 0
    head, _, row = capsys.readouterr().out.strip().splitlines()[:3]
    assert head.index("fires since") < head.index("bad since") < head.index(" of ")
    assert row.index("08:03:30") < row.index("07:58:30") < row.index("service_name=shop, mlobs_feature=age")


def test_on_a_narrow_terminal_the_trace_can_be_pasted(terminal):
    """The next command is `mlobs traces show`."""
    screen = terminal(80)
    with server(200, json.dumps(ANSWER).encode()) as url:
        assert main(["alerts", "list", "--server", url]) == 0
    assert any("c" * 8 in line.split() for line in screen.lines())  # So many digits are taken.
    assert all(len(line) <= 80 for line in screen.lines())


def test_list_says_which_sinks_have_dead_letters_and_what_can_be_ended_by_hand(capsys):
    """And since when its sender has said nothing of it; of the server's own nothing can be ended."""
    own = {**ANSWER["firing"][0], "source": "mlobs", "fingerprint": "0wn"}
    heard = "2027-01-15T07:00:00.000Z"
    foreign = {**own, "source": "alertmanager", "fingerprint": "5c01d2aa93", "heard": heard}
    sinks = [{"sink": "pager", "dead": 1}, {"sink": "chat", "dead": 0}]
    answer = {**ANSWER, "firing": [own, foreign], "rules": [], "sinks": sinks}
    with server(200, json.dumps(answer).encode()) as url:
        assert main(["alerts", "list", "--server", url]) == 0
    out, err = capsys.readouterr()
    assert "5c01d2aa93" in out
    assert "2027-01-15 07:00:00" in out
    assert "0wn" not in out
    assert err.splitlines()[1:] == [
        "pager has 1 dead letter; mlobs alerts deliveries --state dead --sink pager says why"
    ]


def test_list_as_json_is_the_servers_answer(capsys):
    """Programs read the same as the API gives."""
    with server(200, json.dumps(ANSWER).encode()) as url:
        assert main(["alerts", "list", "--server", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == ANSWER


def test_rules_are_printed_with_the_thresholds_of_the_house(capsys, monkeypatch):
    """What is printed is what fires."""
    monkeypatch.setenv("MLOBS_ALERT_ERROR_RATIO_MAX", "0.02")
    assert main(["alerts", "rules", "--json"]) == 0
    rows = {row["alert"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["MlobsErrorRatioHigh"]["fires when"] == "over 2% of at least 20 calls in 5m failed"
    assert rows["MlobsErrorRatioHigh"]["evaluated by"] == "server and prometheus"
    assert rows["MlobsUserCostHigh"]["evaluated by"] == "server"


def test_a_table_of_rules_has_no_lines_of_thousands_of_characters(capsys):
    """An expression of PromQL is cut; as JSON it is whole."""
    assert main(["alerts", "rules"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) < 500
    assert main(["alerts", "rules", "--json"]) == 0
    assert max(len(row["fires when"]) for row in json.loads(capsys.readouterr().out)) > 500


def test_build_writes_the_files_with_the_settings_of_the_house(capsys, monkeypatch, tmp_path):
    """Thresholds and the runbooks' address are settings, for Prometheus too."""
    monkeypatch.setenv("MLOBS_ALERT_TOOL_FAILURE_RATIO_MAX", "0.5")
    monkeypatch.setenv("MLOBS_ALERT_RUNBOOK_BASE", "https://wiki.example/mlobs/")
    assert main(["alerts", "build", "-o", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / "new" / name)
        for name in (
            "mlobs.rules.yml",
            "alertmanager.yml",
            "grafana/mlobs.rules.yaml",
            "kubernetes/mlobs.rules.yaml",
        )
    ]
    groups = loaded((tmp_path / "new" / "mlobs.rules.yml").read_text())["groups"]
    tool = next(
        rule for group in groups for rule in group["rules"] if rule.get("alert") == "MlobsToolFailureRatio"
    )
    assert ") > 0.5\n" in tool["expr"]
    assert tool["annotations"]["runbook_url"] == "https://wiki.example/mlobs/MlobsToolFailureRatio.md"


def test_a_folder_that_cannot_be_written_is_one_sentence(capsys, tmp_path):
    """Which folder, why, and what to do."""
    (tmp_path / "file").write_text("")
    assert main(["alerts", "build", "-o", str(tmp_path / "file")]) == 2
    assert "file' cannot be written: File exists. Choose another with -o DIR." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sink", "said"),
    [
        ({"state": "closed", "failures": 0, "next": None}, "pager: well; 1 waiting, 0 dead"),
        (
            {"state": "closed", "failures": 2, "next": "2027-01-15T07:00:00.000Z"},
            "pager: 2 attempts failed, the next is due at 2027-01-15 07:00:00; 1 waiting, 0 dead",
        ),
        (
            {"state": "open", "failures": 5, "next": None},
            "pager: fails, and is left alone for a while; 5 attempts failed; 1 waiting, 0 dead",
        ),
    ],
)
def test_a_sink_is_well_only_where_nothing_failed_since_something_arrived(sink, said, capsys):
    answer = {"deliveries": [], "sinks": [{"sink": "pager", "waiting": 1, "dead": 0, **sink}]}
    with server(200, json.dumps(answer).encode()) as url:
        assert main(["alerts", "deliveries", "--server", url]) == 0
    assert said in " ".join(capsys.readouterr().err.split())
