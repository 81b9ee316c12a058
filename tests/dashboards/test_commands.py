"""`mlobs dashboards list`, `check`, `build` and `preview`: what they count and say."""

import json
import shutil
from pathlib import Path

import pytest

from mlobs.cli import main

SHIPPED = Path(__file__).parents[2] / "dashboards"


def run(capsys, *arguments):
    """Return the exit status, and what was printed and said."""
    status = main(["dashboards", *map(str, arguments)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_the_list_counts_panels_in_closed_rows(capsys):
    """They are asked as well, once somebody opens the row."""
    status, out, _ = run(capsys, "list", "--json")
    assert status == 0
    for row in json.loads(out):
        panels = []
        for panel in json.loads((SHIPPED / row["file"]).read_text())["panels"]:
            panels += panel["panels"] if panel["type"] == "row" else [panel]
        assert row["panels"] == len(panels)
        assert row["queries"] == sum(len(panel.get("targets", ())) for panel in panels)


def test_one_file_can_be_checked(capsys):
    status, out, err = run(capsys, "check", SHIPPED / "overview.json")
    assert (status, out) == (0, "")
    assert err.startswith("1 dashboard checked, 0 errors")


def test_another_style_fails_only_who_wants_to_be_strict(tmp_path, capsys):
    """An export of Grafana's is editable, and hangs on nothing of ours."""
    board = json.loads((SHIPPED / "overview.json").read_text()) | {"uid": "shop", "editable": True}
    (tmp_path / "shop.json").write_text(json.dumps(board))
    status, out, err = run(capsys, "check", tmp_path, "--json")
    assert (status, {finding["level"] for finding in json.loads(out)}) == (0, {"warning"})
    assert "0 errors" in err
    status, out, err = run(capsys, "check", tmp_path, "--json", "--strict")
    assert (status, {finding["level"] for finding in json.loads(out)}) == (1, {"error"})
    assert "0 warnings" in err


@pytest.mark.parametrize("name", ["empty", "v2"])
def test_a_folder_without_dashboards_is_no_success(name, tmp_path, capsys):
    """A folder that is misspelt in a pipeline would be green for ever."""
    folder = tmp_path / name
    folder.mkdir()
    if name == "v2":
        shutil.copy(SHIPPED / "v2/overview.yaml", folder)
    status, _, err = run(capsys, "check", folder)
    assert status == 2
    assert "has no .json file in it. Give one that holds dashboards in the classic form" in err


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b""])
def test_a_file_of_somebody_s_that_is_no_json_is_not_ours_to_make(content, tmp_path, capsys):
    (tmp_path / "mine.json").write_bytes(content)
    status, _, err = run(capsys, "check", tmp_path)
    assert status == 2
    assert "mine.json is not JSON in UTF-8" in err
    assert "dashboards build" not in err


@pytest.mark.parametrize("part", ["annotations", "templating"])
def test_a_dashboard_without_annotations_or_variables_is_one(part, tmp_path, capsys):
    """What somebody writes by hand has only what it needs."""
    board = json.loads((SHIPPED / "overview.json").read_text())
    (tmp_path / "mine.json").write_text(json.dumps({**board, part: None}))
    of_null = run(capsys, "check", tmp_path, "--json")
    del board[part]
    (tmp_path / "mine.json").write_text(json.dumps(board))
    assert run(capsys, "check", tmp_path, "--json") == of_null
    assert of_null[2].startswith("1 dashboard checked")


def test_a_file_that_is_no_dashboard_is_told_and_the_others_are_checked(tmp_path, capsys):
    """A folder of dashboards also has somebody's notes in it."""
    shutil.copy(SHIPPED / "overview.json", tmp_path)
    (tmp_path / "notes.json").write_text('{"title": "x"}')
    wrong = json.loads((SHIPPED / "cost.json").read_text()) | {"uid": "not a uid"}
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    status, out, err = run(capsys, "check", tmp_path, "--json")
    assert status == 2
    assert "notes.json is not a classic Grafana dashboard: it has no uid, panels." in err
    assert "2 dashboards checked" in err
    assert "files that could not be read: 1" in err
    assert "uid" in {finding["rule"] for finding in json.loads(out)}


@pytest.mark.parametrize(
    ("name", "said"), [("overveiw", "Did you mean 'overview'?"), ("nosuch", "There are: agents, cost,")]
)
def test_a_dashboard_that_there_is_not_gets_the_nearest_name_or_all(name, said, capsys):
    status, _, err = run(capsys, "preview", name)
    assert status == 2
    assert said in " ".join(err.split())


def test_what_is_built_has_the_user_s_objectives_and_server(tmp_path, capsys, monkeypatch):
    """The packaged files have the defaults, and no address."""
    monkeypatch.setenv("MLOBS_ALERT_AVAILABILITY_OBJECTIVE", "0.999")
    status, out, _ = run(capsys, "build", "-o", tmp_path, "--traces", "https://mlobs.example")
    assert status == 0
    assert str(tmp_path / "slo.json") in out
    assert (tmp_path / "slo.json").read_text() != (SHIPPED / "slo.json").read_text()
    assert "https://mlobs.example/traces/" in (tmp_path / "traces-clickhouse.json").read_text()
    assert "Open in mlobs" not in (SHIPPED / "traces-clickhouse.json").read_text()


def test_an_address_that_is_none_is_told(capsys, tmp_path):
    status, _, err = run(capsys, "build", "-o", tmp_path, "--traces", "mlobs.example")
    assert status == 2
    assert "--traces is 'mlobs.example'; an address such as" in err
