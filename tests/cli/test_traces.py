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


def test_latest_is_a_trace(served, trace, capsys):
    """For whoever has just run something."""
    assert main(["traces", "show", "latest", "--server", served.url]) == 0
    assert capsys.readouterr().out.startswith("trace ")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["show", "ffff"], "No trace 'ffff' is stored"),
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
