"""`mlobs cost`, as people read it and as programs do."""

import csv
import json

import pytest

from mlobs.cli import main
from tests.server.costs.conftest import Calls

M = 1_000_000
OTHER = {
    "provider": "openai",
    "model": "gpt-4o",
    "valid_from": "2020-01-01",
    "input": 1,
    "output": 1,
    "source": "s",
}


@pytest.fixture(scope="module")
def sent(served):
    """Three models, one of them without a price, and a user whose name is a formula."""
    calls = Calls(served)
    calls.chat("gpt-4o", (M, 0), user__id="=cmd()", gen_ai__usage__cache_read__input_tokens=M // 2)
    calls.chat("gpt-4o-mini", (M, 0), user__id="bo")
    calls.chat("house", (500, 0), user__id="bo")
    calls.send()
    return calls


@pytest.fixture
def run(served, sent, capsys, monkeypatch):
    """Run `mlobs cost`; return its status, what it printed and what it said."""
    monkeypatch.delenv("MLOBS_PRICES", raising=False)

    def run(verb, *words):
        status = main(["cost", verb, f"service:{sent.service}", *words, "--server", served.url])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return run


def test_a_report_is_a_table_with_its_total(run):
    """What has no price is shown below it, with its tokens."""
    status, out, _ = run("report")
    cells = [line.split() for line in out.splitlines() if line.split()]
    assert status == 0
    assert cells[0][:2] == ["model", "calls"]
    assert [row[0] for row in cells if row[0] in {"gpt-4o", "gpt-4o-mini", "total"}] == [
        "gpt-4o",
        "gpt-4o-mini",
        "total",
    ]
    assert next(row for row in cells if row[0] == "gpt-4o")[-1] == "$1.88"
    assert next(row for row in cells if row[0] == "total")[-2:] == ["$2.02", "1"]
    assert next(row for row in cells if row[0] == "openai") == ["openai", "house", "model", "1", "500"]


def test_a_report_as_csv_is_for_spreadsheets(run):
    """Plain numbers with all their digits; a text that would be a formula is none."""
    _, out, _ = run("report", "--by", "user", "--csv")
    rows = list(csv.DictReader(out.splitlines()))
    assert [(row["user"], row["cost_usd"]) for row in rows] == [("'=cmd()", "1.875"), ("bo", "0.15")]
    assert rows[1]["calls_without_price"] == "1"
    assert rows[0]["tokens_cached_read"] == str(M // 2)


def test_a_report_as_json_is_the_api_s_answer(run):
    """All of it."""
    _, out, _ = run("report", "--by", "model,day", "--json")
    report = json.loads(out)
    assert report["total"]["cost_usd"] == 2.025
    assert set(report["rows"][0]["group"]) == {"model", "day"}


@pytest.mark.slow
def test_a_report_with_another_file_shows_the_change(run, tmp_path):
    """The file is the reader's, not the server's."""
    path = tmp_path / "contract.json"
    path.write_text(json.dumps([OTHER]))
    _, out, _ = run("report", "--reprice", str(path), "--json")
    total = json.loads(out)["total"]
    assert (total["cost_usd"], total["then_usd"], total["change_usd"]) == (1.15, 2.025, -0.875)
    _, out, _ = run("report", "--reprice", str(path))
    assert "-$0.875000" in out
    _, out, _ = run("report", "--reprice", "today", "--as-model", "gpt-4o-mini", "--json")
    assert json.loads(out)["total"]["calls_without_price"] == 0


@pytest.mark.slow
def test_groups_that_are_left_out_are_told(run):
    """With what they cost."""
    _, out, _ = run("report", "--by", "user", "--limit", "1")
    assert "1 more" in out
    assert "$0.150000" in out
    _, _, err = run("report", "--by", "user", "--limit", "1", "--csv")
    assert err == "1 more groups of $0.150000 are left out; take a larger --limit.\n"


def test_the_month_has_exit_status_1_when_the_budget_is_not_enough(run):
    """For whoever asks every morning."""
    status, out, _ = run("month", "--budget", "1")
    assert status == 1
    assert "$2.02 after" in out
    assert "of the budget of $1.00 is spent; it has been used up since 20" in out
    assert "not counted: 1 calls without a price" in out
    status, out, _ = run("month", "--budget", "1000000", "--json")
    assert (status, json.loads(out)["budget_used_up"]) == (0, None)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--by", "modle"], "Did you mean model?"),
        (["--reprice", "missing.json"], "--reprice missing.json cannot be read: No such file or directory."),
        (["--limit", "0"], "limit='0' came"),
    ],
)
def test_a_question_that_cannot_be_answered_is_one_sentence(run, words, sentence):
    """On stderr, with exit status 2."""
    status, out, err = run("report", *words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert sentence in err


def test_a_price_file_with_a_mistake_is_told_with_its_row(run, tmp_path):
    """By the one who has the file, before anything is sent."""
    path = tmp_path / "contract.json"
    path.write_text(json.dumps([{**OTHER, "input": "cheap"}]))
    status, _, err = run("report", "--reprice", str(path))
    assert status == 2
    assert f"--reprice {path}, row 1: input='cheap': dollars per million tokens" in err
