"""Tables on narrow terminals."""

import json

from mlobs.cli.printing import print_json, print_rows, visible

ID = "0123456789abcdef" * 2
ROW = {"when": "2027-01-15 07:58:30", "id": ID, "name": "a name of many words " * 3, "count": 12}


def test_what_can_be_spared_goes_only_if_there_is_no_room(terminal):
    """And long text is folded before that."""
    for columns, there in ((200, True), (80, True), (60, False)):
        screen = terminal(columns)
        print_rows([ROW], as_json=False, whole=("id",), spare=("when",))
        text = "\n".join(screen.lines())
        assert ID in text
        assert ("when" in text) is there
        assert all(len(line) <= columns for line in screen.lines())
        assert text.count("words") == 3


def test_an_id_is_whole_even_where_there_is_no_room_at_all(terminal):
    """The terminal wraps the line; half an id is of no use."""
    screen = terminal(20)
    print_rows([ROW], as_json=False, whole=("id",), spare=("when",))
    assert any(ID in line for line in screen.lines())


def test_programs_get_every_column_on_one_line(capsys):
    """`mlobs traces list | grep` must not depend on the window."""
    print_rows([ROW], as_json=False, whole=("id",), spare=("when",))
    [line] = [line for line in capsys.readouterr().out.splitlines() if ID in line]
    assert ROW["when"] in line
    assert ROW["name"].strip() in line


def test_control_characters_are_shown_and_not_obeyed():
    """C0, C1, newlines, turned text, halves of pairs; the rest is left as it is."""
    assert visible("evil\x1b]0;owned\x1b[2J\x9b\n\u202e\ud800") == (
        r"evil\x1b]0;owned\x1b[2J\x9b\n\u202e\ud800"
    )
    assert visible("größe → 数 🙂") == "größe → 数 🙂"


def test_json_is_safe_to_look_at_and_means_the_same(capsys):
    """JSON leaves C1 and turned text as they are, unless told."""
    value = {"name": "\x1b\x9b\u202e\x7f ü"}
    print_json(value)
    out = capsys.readouterr().out
    assert json.loads(out) == value
    assert visible(out.replace("\n", "")) == out.replace("\n", "")
