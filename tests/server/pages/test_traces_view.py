"""What is asked often stands beside the filter."""

from urllib.parse import parse_qs, urlsplit

import pytest

from mlobs.server.ask.parsing import parse
from mlobs.server.pages.traces.view import quick


def asked(question, place):
    one = quick(question, {"since": "1h", "q": question})[place]
    given = parse_qs(urlsplit(one["address"]).query)
    assert given["since"] == ["1h"]
    return given.get("q", [""])[0], one["chosen"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("", ("status:error", False)),
        ("service:shop", ("service:shop status:error", False)),
        ("service:shop status:error", ("service:shop", True)),
        ("status:error", ("", True)),
        ("service:a OR service:b", ("(service:a OR service:b) status:error", False)),
        ("(service:a OR service:b) status:error", ("(service:a OR service:b)", True)),
        ("tool:x OR status:error", ("(tool:x OR status:error) status:error", False)),
    ],
)
def test_failed_is_added_to_a_question_and_taken_out_again(question, expected):
    found, chosen = asked(question, 1)
    assert (found, chosen) == expected
    assert not found or parse(found) is not None


def test_agent_runs_are_asked_for_whatever_failed_in_them():
    assert asked("status:error", 0) == ("status:error {kind:agent}", False)
