"""`mlobs traces`, as people read it and as programs do."""

import json
import os
import re

import pyarrow.parquet
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


def test_the_list_marks_traces_that_are_in_progress(served, trace, capsys):
    """Their first span comes last; what is there so far is not all there will be."""
    request = ExportTraceServiceRequest()
    running = span(request, "execute_tool early", parent=os.urandom(8), gen_ai__tool__name="early")
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    assert main(["traces", "list", "tool:early", "--server", served.url]) == 0
    out = capsys.readouterr().out
    assert " state " in out
    assert any(running.trace_id.hex() in line and "in progress" in line for line in out.splitlines())
    assert main(["traces", "list", f"trace:{trace}", "--server", served.url]) == 0
    assert " state " not in capsys.readouterr().out


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
def test_on_a_narrow_terminal_the_list_has_ids_that_can_be_shown(served, trace, terminal, columns):
    """Of an id the first digits are enough for the next command; when a trace was is nowhere else."""
    screen = terminal(columns)
    assert main(["traces", "list", "--server", served.url, "--noun", "agent", "--limit", "500"]) == 0
    lines = screen.lines()
    assert any(trace[:8] in line.split() for line in lines)
    assert all(len(line) <= columns for line in lines)
    assert {"started", "trace", "name", "took"} <= {word for line in lines[:3] for word in line.split()}


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
        (["show", "ffffff"], "No trace of the last 30 days begins with 'ffffff'."),
        (["show", "ffff"], "'ffff' is not a trace id. Wanted: 32 hex digits, the first 6 or more of them"),
        (["show", "my-trace\x1b[2J"], "is not a trace id."),
        (["list", "--limit", "100000"], "limit='100000' came"),
        (
            ["list", "modle:gpt"],
            "At character 1 of the filter, 'modle:gpt': there is no key 'modle'; did you mean",
        ),
        (["list", "--since", "yesterday"], "since='yesterday' came; a time such as 2026-05-01"),
        (["list", "--cursor", "x"], "cursor='x' is not one that this server gave"),
        (
            ["export", "service:nobody", "--out", "x.jsonl"],
            "Nothing to write. No trace fits in the last 24h.",
        ),
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


def test_a_filter_narrows_the_list_and_pages_go_on(served, trace, capsys):
    """What leads on is told beside the table, not in it."""
    words = ["traces", "list", "--server", served.url, "--limit", "1"]
    assert main([*words, f"trace:{trace} error:OSError", "--json"]) == 0
    shown = capsys.readouterr()
    assert [row["trace_id"] for row in json.loads(shown.out)] == [trace]
    assert shown.err == ""
    request = ExportTraceServiceRequest()
    for _ in range(2):
        span(request, "paged", mlobs__name="paged")
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    seen, more = set(), []
    for _ in range(2):
        assert main([*words, "name:paged", "--json", *more]) == 0
        shown = capsys.readouterr()
        seen |= {row["trace_id"] for row in json.loads(shown.out)}
        found = re.search(r"--cursor (\S+)", shown.err)
        more = ["--cursor", found[1]] if found else []
    assert len(seen) == 2
    assert more == []


def test_a_person_is_told_how_to_see_more_without_the_word_for_programs(served, terminal, capsys):
    request = ExportTraceServiceRequest()
    for _ in range(2):
        span(request, "many more", mlobs__name="many more")
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    terminal(100)
    words = ["traces", "list", 'name:"many more"', "--limit", "1", "--server", served.url]
    assert main(words) == 0
    assert "There are more: --limit 2 prints them too." in capsys.readouterr().err


def test_grep_shows_where_the_words_are(served, capsys):
    """In content, in names, in what went wrong; nothing found is exit status 1."""
    trace_id, request = os.urandom(16), ExportTraceServiceRequest()
    word = f"zx{os.urandom(4).hex()}"
    text = f"{'before ' * 30}where is my {word.upper()} now{' after' * 30}"
    made = span(request, "chat m", trace=trace_id, gen_ai__input__messages=text)
    made.events.add(name="exception").attributes.add(
        key="exception.message"
    ).value.string_value = f"no {word}"
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    assert main(["traces", "grep", word, "--server", served.url, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["where"] for row in rows} == {"gen_ai.input.messages", "exception: exception.message"}
    assert all(row["trace"] == trace_id.hex() and word in row["text"].lower() for row in rows)
    assert all(len(row["text"]) < 120 for row in rows)
    assert main(["traces", "grep", f"my {word}", "name:chat*", "--server", served.url]) == 0
    assert word.upper() in capsys.readouterr().out
    assert main(["traces", "grep", f"{word} nowhere", "--server", served.url]) == 1
    assert "Look further back with --since 7d." in capsys.readouterr().err


@pytest.fixture(scope="module")
def rich(served):
    """A trace with everything that a span may have; its request."""
    trace_id, request = os.urandom(16), ExportTraceServiceRequest()
    root = span(
        request, "invoke_agent x", trace=trace_id, took_ns=12_345, gen_ai__usage__input_tokens=7,
        mlobs__cost__usd=0.5, mlobs__handled=True, some__number=5, some__text="é\"'\\\n",
        gen_ai__input__messages="a" * 2000,
    )  # fmt: skip
    child = span(request, "execute_tool y", trace=trace_id, parent=root.span_id, failed=True)
    child.kind, child.trace_state = 3, "a=b"
    event = child.events.add(name="exception", time_unix_nano=child.start_time_unix_nano + 5)
    event.attributes.add(key="exception.type").value.string_value = "OSError"
    link = child.links.add(trace_id=b"1" * 16, span_id=b"2" * 8, trace_state="c=d")
    link.attributes.add(key="why").value.string_value = "retry"
    request.resource_spans[0].scope_spans[0].scope.name = "tests"
    request.resource_spans[0].scope_spans[0].scope.version = "1"
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    return trace_id.hex(), request


def export(served, rich, path, *words):
    return main(["traces", "export", f"trace:{rich[0]}", "--server", served.url, "--out", str(path), *words])


def test_exported_otlp_is_what_was_sent(served, rich, tmp_path, capsys):
    """It can be sent again. Attributes that no convention names come back as text."""
    path = tmp_path / "spans.otlp"
    assert export(served, rich, path) == 0
    assert capsys.readouterr().err == f"2 spans of 1 trace in {path}\n"
    found = ExportTraceServiceRequest.FromString(path.read_bytes())
    sent = ExportTraceServiceRequest()
    sent.CopyFrom(rich[1])
    for made in sent.resource_spans[0].scope_spans[0].spans:
        for pair in made.attributes:
            if pair.key == "some.number":
                pair.value.string_value = "5"
    for request in (sent, found):
        for made in request.resource_spans[0].scope_spans[0].spans:
            made.attributes.sort(key=lambda pair: pair.key)
    assert str(found) == str(sent)
    again = os.urandom(16)
    for made in found.resource_spans[0].scope_spans[0].spans:
        made.trace_id = again
    assert post(served.url, found.SerializeToString()).status_code == 200
    served.drain()
    assert main(["traces", "show", again.hex(), "--server", served.url]) == 0


def test_exported_lines_and_parquet_have_every_span(served, rich, tmp_path):
    """Two doors to the same rows; the file's name says which."""
    assert export(served, rich, tmp_path / "spans.jsonl") == 0
    lines = [json.loads(line) for line in (tmp_path / "spans.jsonl").read_text().splitlines()]
    assert export(served, rich, tmp_path / "spans.parquet") == 0
    rows = pyarrow.parquet.read_table(tmp_path / "spans.parquet").to_pylist()
    assert [row["SpanName"] for row in lines] == [row["SpanName"] for row in rows]
    assert {row["SpanName"] for row in rows} == {"invoke_agent x", "execute_tool y"}
    assert [dict(row["Attributes"]) for row in rows] == [row["Attributes"] for row in lines]
    assert export(served, rich, tmp_path / "odd", "--format", "jsonl") == 0
    assert (tmp_path / "odd").read_bytes() == (tmp_path / "spans.jsonl").read_bytes()


def test_a_file_that_cannot_be_written_is_told(served, rich, tmp_path, capsys):
    """And half a file is never left."""
    assert export(served, rich, tmp_path / "missing" / "spans.jsonl") == 2
    assert (
        "cannot be written: No such file or directory. Choose another with --out." in capsys.readouterr().err
    )
    assert list(tmp_path.iterdir()) == []


def test_sql_prints_tables_and_formats(served, capsysbinary, tmp_path):
    """For people, for programs, for files."""
    words = ["sql", "SELECT number AS n, [number] AS list FROM numbers(2);", "--server", served.url]
    assert main(words) == 0
    lines = [line.split() for line in capsysbinary.readouterr().out.decode().splitlines()]
    assert [line for line in lines if len(line) == 2] == [["n", "list"], ["0", "[0]"], ["1", "[1]"]]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsysbinary.readouterr().out) == [{"n": 0, "list": [0]}, {"n": 1, "list": [1]}]
    assert main([*words, "--format", "csv"]) == 0
    assert capsysbinary.readouterr().out == b'"n","list"\n0,"[0]"\n1,"[1]"\n'
    assert main([*words, "--out", str(tmp_path / "x.parquet")]) == 0
    assert pyarrow.parquet.read_table(tmp_path / "x.parquet").to_pydict() == {"n": [0, 1], "list": [[0], [1]]}
    assert main(["sql", "SELECT 1 WHERE 0", "--server", served.url]) == 0
    assert capsysbinary.readouterr().err.endswith(b"No rows.\n")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("DROP TABLE otel_traces", "The statement begins with 'DROP'. Only reading is done here."),
        ("SELECT nothing FROM otel_traces", "The statement cannot be run: Unknown expression"),
        ("SELECT", "The statement cannot be read: "),
        ("", "No statement came"),
    ],
)
def test_sql_that_cannot_be_run_is_one_sentence(served, capsys, query, sentence):
    """On stderr, with exit status 2."""
    assert main(["sql", query, "--server", served.url]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert sentence in shown.err
