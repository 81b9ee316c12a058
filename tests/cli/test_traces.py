"""`mlobs traces`, as people read it and as programs do."""

import json
import os
import re

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.cli import main
from tests.server.otlp import post, span


@pytest.fixture(scope="module")
def trace(served):
    """A failed tool below an agent, and a span whose parent never came."""
    trace_id, request = os.urandom(16), ExportTraceServiceRequest()
    root = span(request, "invoke_agent desk", trace=trace_id, mlobs__kind="agent", took_ns=2_500_000_000)
    span(
        request,
        "execute_tool gate",
        trace=trace_id,
        parent=root.span_id,
        failed=True,
        error__type="OSError",
        mlobs__name="gate_of",
    )
    span(
        request,
        "chat m",
        trace=trace_id,
        parent=b"12345678",
        mlobs__name="answer",
        mlobs__call__state="cancelled",
    )
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    return trace_id.hex()


def test_one_trace_is_a_tree_with_what_went_wrong(served, trace, capsys):
    """Names, durations, errors and states; an orphan says that it is one."""
    assert main(["traces", "show", trace, "--server", served.url]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"trace {trace}",
        "├── invoke_agent desk  2.50 s",
        "│   └── execute_tool gate gate_of  1.0 ms  OSError: it broke",
        "└── chat m answer  1.0 ms  cancelled  its parent is missing",
    ]


def test_the_list_is_a_table_or_json(served, trace, capsys):
    """The same rows."""
    assert main(["traces", "list", "--server", served.url, "--noun", "agent", "--limit", "500"]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if trace in line]
    assert re.search(r"invoke_agent desk +tests +2\.50 s +3 +1", line)
    assert main(["traces", "list", "--server", served.url, "--json", "--limit", "500"]) == 0
    assert trace in {row["trace_id"] for row in json.loads(capsys.readouterr().out)}
    assert main(["traces", "show", trace, "--server", served.url, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["spans"]) == 3


def test_a_beginning_of_an_id_is_enough_if_only_one_trace_has_it(served, capsys):
    """Ids are read aloud and copied by halves; a wrong trace is never shown."""
    ids = [os.urandom(4) + os.urandom(12) for _ in range(2)]
    ids[1] = ids[0][:4] + ids[1][4:]
    request = ExportTraceServiceRequest()
    for trace_id in ids:
        span(request, "one", trace=trace_id)
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    assert main(["traces", "show", ids[0].hex()[:16].upper(), "--server", served.url]) == 0
    assert capsys.readouterr().out.startswith(f"trace {ids[0].hex()}\n")
    assert main(["traces", "show", ids[0].hex()[:8], "--server", served.url]) == 2
    shown = capsys.readouterr()
    assert f"2 traces begin with '{ids[0].hex()[:8]}': " in shown.err
    assert all(trace_id.hex() in shown.err for trace_id in ids)
    assert "Give more digits." in shown.err


@pytest.mark.parametrize("columns", [80, 120])
def test_on_a_narrow_terminal_the_list_has_whole_ids(served, trace, terminal, columns):
    """They are pasted into the next command; the date goes first."""
    screen = terminal(columns)
    assert main(["traces", "list", "--server", served.url, "--noun", "agent", "--limit", "500"]) == 0
    lines = screen.lines()
    assert any(trace in line for line in lines)
    assert all(len(line) <= columns for line in lines)
    assert ("started" in lines[1]) is False


def test_on_a_narrow_terminal_a_tree_is_wrapped_and_nothing_is_lost(served, terminal):
    """What is cut silently is read as all there is."""
    trace_id, request = os.urandom(16), ExportTraceServiceRequest()
    words = " ".join(f"word{n}" for n in range(40))
    parent = span(request, "root", trace=trace_id)
    for depth in range(30):
        parent = span(request, f"s{depth} {words}", trace=trace_id, parent=parent.span_id)
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    screen = terminal(80)
    assert main(["traces", "show", trace_id.hex(), "--server", served.url]) == 0
    text = " ".join(re.sub(r"[│├└─]", " ", "\n".join(screen.lines())).split())
    assert all(f"s{depth} {words}" in text for depth in range(30))


def test_names_cannot_give_orders_to_the_terminal(served, capsys):
    """A span's name comes from whoever may send spans."""
    trace_id, request = os.urandom(16), ExportTraceServiceRequest()
    span(request, "evil\x1b]0;owned\x1b[2J\x9b2J\u202e\n", trace=trace_id, mlobs__kind="agent")
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    for words in (
        ["list", "--limit", "1000"],
        ["list", "--json", "--limit", "1000"],
        ["show", trace_id.hex()],
    ):
        assert main(["traces", *words, "--server", served.url]) == 0
        shown = capsys.readouterr().out
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
        assert "]0;owned" in shown
    assert r"evil\x1b]0;owned\x1b[2J\x9b2J\u202e" in shown


def test_latest_is_a_trace(served, trace, capsys):
    """For whoever has just run something."""
    assert main(["traces", "show", "latest", "--server", served.url]) == 0
    assert capsys.readouterr().out.startswith("trace ")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["show", "f" * 32],
            f"No trace '{'f' * 32}' is stored. The newest ones: mlobs traces list --server http",
        ),
        (["show", "ffffff"], "None of the newest 1,000 traces begins with 'ffffff'."),
        (["show", "ffff"], "'ffff' is not a trace id. Wanted: 32 hex digits, the first 6 or more of them"),
        (["show", "my-trace\x1b[2J"], "is not a trace id."),
        (["list", "--limit", "100000"], "limit='100000' came"),
    ],
)
def test_a_question_that_cannot_be_answered_is_one_sentence(served, capsys, words, sentence):
    """On stderr, with exit status 2."""
    assert main(["traces", *words, "--server", served.url]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert sentence in shown.err


def test_without_a_server_the_sentence_says_how_to_start_one(capsys):
    """The first thing a newcomer sees."""
    assert main(["traces", "list", "--server", "http://127.0.0.1:9"]) == 2
    assert capsys.readouterr().err == (
        "mlobs: No server answers at http://127.0.0.1:9. Start one with: mlobs up, or name another with "
        "--server.\n"
    )
