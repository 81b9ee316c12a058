"""What of a table a narrow terminal shows: what somebody decides by stays; ids are cut before all else."""

import pytest

from mlobs.cli.layout import Columns, lay_out
from mlobs.cli.printing import print_rows

IDS = ["51aa4315f3b8047f4f8cccfc70af4e2e", "4873dbf1d01f15b0c603fb6c3677bbb1"]
ALERT = {
    "alert": "MlobsFeatureDrift",
    "severity": "warning",
    "state": "firing",
    "since": "2026-11-26 20:36:54",
    "of": "service_name=flight-desk, mlobs_model_name=arrival-delay, mlobs_feature=wind_speed",
    "errors": None,
    "trace": IDS[0],
}
GIVEN = {
    "whole": ("severity", "state", "since"),
    "ids": ("trace",),
    "under": ("of",),
    "spare": ("errors",),
}


def printed(screen) -> str:
    return "\n".join(screen.lines())


@pytest.mark.parametrize("columns", [72, 80, 120])
def test_name_severity_state_and_time_stay_in_one_line_and_the_id_is_cut(terminal, columns):
    screen = terminal(columns)
    print_rows([ALERT, ALERT | {"trace": IDS[1], "state": "pending"}], as_json=False, **GIVEN)
    assert all(len(line) <= columns for line in screen.lines())
    rows = [line.split() for line in screen.lines() if "MlobsFeatureDrift" in line]
    when = ["2026-11-26", "20:36:54"]
    assert [row[:5] for row in rows] == [
        ["MlobsFeatureDrift", "warning", state, *when] for state in ("firing", "pending")
    ]
    assert [row[-1] for row in rows] == [one[:8] for one in IDS]
    assert printed(screen).count("mlobs_feature=wind_speed") == 2


def test_what_has_no_room_beside_is_told_below_its_row(terminal):
    screen = terminal(80)
    print_rows([ALERT], as_json=False, **GIVEN)
    _, _, row, *below = screen.lines()
    assert "service_name" not in row
    assert " ".join(" ".join(below).split()) == f"of: {ALERT['of']}"


def test_a_wide_terminal_and_a_program_get_everything_on_one_line(terminal, capsys):
    print_rows([ALERT], as_json=False, **GIVEN)
    screen = capsys.readouterr().out.splitlines()
    wide = terminal(200)
    print_rows([ALERT], as_json=False, **GIVEN)
    for lines in (screen, wide.lines()):
        [row] = [line for line in lines if IDS[0] in line]
        assert ALERT["of"] in row
        assert any("errors" in line for line in lines)


def test_ids_that_begin_alike_keep_what_tells_them_apart():
    """Some programs make the first digits of a trace's id from the time."""
    alike = [{"id": f"{'0' * 16}{end:x}{'a' * 15}", "text": "x" * 60} for end in range(2)]
    found = lay_out(alike, Columns(ids=("id",)), 80, len)
    assert [row["id"] for row in found.rows] == ["0" * 17, "0" * 16 + "1"]
    assert [row["id"] for row in lay_out([alike[0]] * 2, Columns(ids=("id",)), 80, len).rows] == ["0" * 8] * 2


def test_what_says_nothing_is_left_out_before_anything_is_folded():
    row = {"name": "predict arrival-delay", "spans": "12", "errors": "", "refused": "0", "took": "14 µs"}
    found = lay_out([row], Columns(spare=("spans", "errors", "refused")), 40, len)
    assert list(found.widths) == ["name", "spans", "took"]
    assert found.widths["name"] == len(row["name"])


def test_texts_and_names_of_columns_fold_between_words_and_no_name_is_broken(terminal):
    row = {"alert": "MlobsFeatureDriftOfLongName", "sent or stored": 9194, "why": "one two three " * 4}
    screen = terminal(60)
    print_rows([row], as_json=False)
    assert row["alert"] in printed(screen)
    assert all(len(line) <= 60 for line in screen.lines())
    assert printed(screen).count("three") == 4
    screen = terminal(50)
    print_rows([row], as_json=False)
    assert row["alert"] in printed(screen)
    assert "sent or stored" not in printed(screen)
    assert "stored" in printed(screen)


def test_words_are_broken_only_where_nothing_else_helps(terminal):
    """Such as in an answer in SQL, of which no column can be spared."""
    row = {name: name * 50 for name in "abc"}
    screen = terminal(60)
    print_rows([row], as_json=False)
    assert all(len(line) <= 60 for line in screen.lines())
    assert [printed(screen).count(name) for name in row] == [51, 51, 51]
