"""What is typed: filters of several words, minus signs, files, tables."""

import http.server
import io
import json
import os
import subprocess
import sys
import threading

import pyarrow.parquet
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.cli import main
from tests.server.otlp import post, span


@pytest.fixture(scope="module")
def desk(served) -> tuple[str, str, str]:
    """A service, a trace with a failed tool, and one without."""
    service, request = f"desk-{os.urandom(4).hex()}", ExportTraceServiceRequest()
    bad, good = os.urandom(16), os.urandom(16)
    span(request, "bad", trace=bad, failed=True, gen_ai__tool__name="refund", mlobs__kind="tool")
    span(
        request, "good", trace=good, gen_ai__operation__name="chat", gen_ai__request__model="m",
        gen_ai__input__messages="where is my Money", mlobs__kind="llm",
    )  # fmt: skip
    request.resource_spans[0].resource.attributes[0].value.string_value = service
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    return service, bad.hex(), good.hex()


def listed(served, capsys, *words: str) -> list[str]:
    assert main(["traces", "list", *words, "--server", served.url, "--json"]) == 0
    return [row["trace_id"] for row in json.loads(capsys.readouterr().out)]


def test_a_filter_may_be_several_words_and_begin_with_a_minus(served, desk, capsys):
    service, bad, good = desk
    assert listed(served, capsys, f"service:{service}", "status:error", "tool:refund") == [bad]
    assert listed(served, capsys, "-status:error", f"service:{service}") == [good]
    assert listed(served, capsys, f"service:{service}", "-tool:refund", "--since", "1h") == [good]
    assert listed(served, capsys, "--from", "-1h", f"service:{service}", "tool:refund") == [bad]
    assert set(listed(served, capsys, f"service:{service}")) == {bad, good}


def test_grep_joins_words_and_takes_terms_for_a_filter(served, desk, capsys):
    service, _, good = desk
    words = ["traces", "grep", "where", "is", "my", "money", f"service:{service}", "--server", served.url]
    assert main([*words, "--json"]) == 0
    assert {row["trace"] for row in json.loads(capsys.readouterr().out)} == {good}


def test_an_empty_list_hints_at_words_in_capitals(served, desk, capsys):
    words = ["traces", "list", f"service:{desk[0]}", "tool:a", "or", "tool:b", "--server", served.url]
    assert main(words) == 0
    assert "OR in capitals joins terms" in " ".join(capsys.readouterr().err.split())


def test_a_tree_that_is_cut_says_how_to_have_it_whole(served, desk, capsys, monkeypatch):
    trace, request = os.urandom(16), ExportTraceServiceRequest()
    for number in range(5):
        span(request, f"s{number}", trace=trace)
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    monkeypatch.setattr("mlobs.server.ask.routes.SPANS_DEFAULT", 3)
    assert main(["traces", "show", trace.hex(), "--server", served.url]) == 0
    said = capsys.readouterr().err
    assert f"3 of 5 spans are shown; all: mlobs traces export 'trace:{trace.hex()}'" in said


def test_parquet_has_the_names_that_questions_have(served, desk, tmp_path):
    path = tmp_path / "x.parquet"
    words = ["traces", "export", f"service:{desk[0]}", "tool:*", "--out", str(path), "--server", served.url]
    assert main(words) == 0
    rows = pyarrow.parquet.read_table(path).to_pylist()
    assert [(row["ToolName"], row["Kind"], row["InputTokens"]) for row in rows] == [("refund", "tool", None)]
    assert {"Attributes", "StartNs", "CostUsd", "RequestModel", "UserId"} <= set(rows[0])


@pytest.mark.parametrize("command", [["traces", "export", "-kind:llm"], ["sql", "SELECT 1"]])
def test_a_file_whose_name_says_no_format_is_refused(served, desk, tmp_path, capsys, command):
    path = tmp_path / "x.xlsx"
    assert main([*command, "--out", str(path), "--server", served.url]) == 2
    assert "says no format: one of ." in capsys.readouterr().err
    assert not path.exists()


@pytest.mark.parametrize(
    ("table", "meant"), [("traces", "otel_traces"), ("spans", "otel_traces"), ("mlobs.logs", "otel_logs")]
)
def test_an_unknown_table_has_a_nearest_one(served, capsys, table, meant):
    assert main(["sql", f"SELECT * FROM {table}", "--server", served.url]) == 2
    assert f"did you mean {meant}?" in capsys.readouterr().err


def test_a_model_without_a_price_is_one_sentence(served, capsys):
    assert main(["cost", "report", "--as-model", "no-such", "--server", served.url]) == 2
    assert "as_model='no-such' came, and no price of it is known" in capsys.readouterr().err


@pytest.fixture
def older():
    """A server whose lists have no pages, and whose disk is full."""

    class Older(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self._say(200, {"traces": []})

        def do_POST(self):
            self._say(503, {"error": "No space is left for a backup.", "status": 503})

        def _say(self, status: int, body: dict[str, object]) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Older) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_server_of_an_older_release_is_told(older, capsys):
    assert main(["traces", "list", "--server", older]) == 2
    assert "is of an older release" in capsys.readouterr().err


def test_a_backup_that_fails_says_why(older, tmp_path, capsys):
    path = tmp_path / "store.tar"
    assert main(["data", "backup", str(path), "--server", older]) == 2
    assert "No space is left for a backup." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_backup_leaves_the_half_of_another_alone(older, tmp_path, capsys):
    """Two that write one file at once would each remove the other's."""
    file, half = tmp_path / "b.tar", tmp_path / "b.tar.part"
    half.write_text("of another")
    assert main(["data", "backup", str(file), "--server", older]) == 2
    assert "another backup is writing it, or one was killed" in capsys.readouterr().err
    assert half.read_text() == "of another"


def test_a_statement_that_is_no_text_is_told(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"SELECT '\xff'")))
    assert main(["sql", "-"]) == 2
    assert "The statement on stdin is no UTF-8 at byte 8" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["drift", "profile", "--help"],
        *(pytest.param(one, marks=pytest.mark.slow) for one in (["run", "--help"], ["--version"])),
    ],
)
def test_a_terminal_that_knows_fewer_characters_is_printed_to_all_the_same(arguments):
    """As those of old machines, and of containers with an odd locale."""
    done = subprocess.run(
        [sys.executable, "-m", "mlobs", *arguments],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
