"""The Markdown of runbooks, as data for a template."""

import pytest

from mlobs.assets import root
from mlobs.server.pages.prose import blocks, parts


def kinds(text: str) -> list[str]:
    return [one["kind"] for one in blocks(text)]


def test_a_list_goes_on_over_lines_and_keeps_code_inside():
    (found,) = blocks("1. One\n   and more:\n\n       code here\n\n2. Two")
    first, second = found["items"]
    assert (found["ordered"], [one["kind"] for one in first]) == (True, ["text", "code"])
    assert (first[1]["text"], second[0]["parts"]) == ("code here", [("text", "Two", "")])


def test_links_lead_only_to_pages():
    assert parts("[a](https://b.example) [c](javascript:x)") == [
        ("link", "a", "https://b.example"),
        ("text", " [c](javascript:x)", ""),
    ]


def test_markup_stays_words():
    (found,) = blocks("<script>alert(1)</script> **so**")
    assert found["parts"] == [("text", "<script>alert(1)</script> ", ""), ("strong", "so", "")]


@pytest.mark.parametrize(
    "text", ["", "\n\n", "*", "#", "    ", "* " * 500, "1. 1. 1. 1. 1. 1. 1. 1. 1. a", "`", "[a]("]
)
def test_odd_texts_are_read_to_their_end(text):
    assert isinstance(kinds(text), list)


def test_every_runbook_is_read_without_leftovers():
    folder = root() / "alerts" / "runbooks"
    for page in folder.iterdir():
        found = blocks(page.read_text(encoding="utf-8"))
        assert found[0]["kind"] == "heading"
        words = str(found)
        assert "## " not in words, page.name
