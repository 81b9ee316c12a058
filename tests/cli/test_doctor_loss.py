"""`mlobs doctor --loss` given what it cannot use: one sentence says what was wanted."""

import http.server
import threading

import pytest

from mlobs.cli import main


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--gateway", "http://a:1"], "--gateway goes with --loss"),
        (["--for", "5"], "--for goes with --loss"),
        (["--loss", "--since", "1h"], "--since needs somebody who remembers"),
        (["--loss", "--prometheus", "http://a:1", "--for", "5"], "do not go with it"),
        (["--loss", "--prometheus", "a:9090"], "'a:9090' is no address"),
        (["--loss", "--prometheus", "http://127.0.0.1:1", "--since", "soon"], "such as 15m, 6h or 7d"),
        (["--loss", "--prometheus", "http://127.0.0.1:1"], "No Prometheus answers at http://127.0.0.1:1"),
        (["--no-collectors"], "--no-collectors goes with --loss"),
        (["--loss", "--no-collectors", "--sidecar", "http://a:1"], "Leave one of them out"),
        (["--loss", "--no-collectors", "--prometheus", "http://a:1"], "do not go with it"),
        (["--loss", "--sidecar", "8888"], "'8888' is no address"),
        (["--loss", "--for", "0"], "more than 0 and at most 86400 seconds"),
        (["--loss", "--server", "http://127.0.0.1:1"], "http://127.0.0.1:1"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(given, sentence, capsys):
    """With exit status 2: nothing was found out."""
    assert main(["doctor", *given]) == 2
    assert sentence in capsys.readouterr().err


class Page(http.server.BaseHTTPRequestHandler):
    """Answers like a web server that knows nothing of metrics."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def website():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_what_is_no_prometheus_is_named(website, capsys):
    """A proxy's page of welcome answers 200 as well."""
    assert main(["doctor", "--loss", "--prometheus", website]) == 2
    assert f"What answers at {website} is no Prometheus" in capsys.readouterr().err


def test_what_is_no_page_of_metrics_is_named(served, website, capsys):
    """The collector's OTLP port, or its health check, is easily taken for it."""
    assert main(["doctor", "--loss", "--server", served.url, "--gateway", website]) == 2
    assert "a page of metrics" in capsys.readouterr().err


def test_a_named_collector_that_does_not_answer_is_an_error(served, capsys):
    """Of one that nobody named, there may be none."""
    assert main(["doctor", "--loss", "--server", served.url, "--sampler", "http://127.0.0.1:1"]) == 2
    assert "Nothing answers at http://127.0.0.1:1/metrics" in capsys.readouterr().err


def test_collectors_of_another_way_are_left_out_when_told_so(served, website, monkeypatch, capsys):
    """What answers at the port of a sidecar is not even asked."""
    monkeypatch.setenv("MLOBS_SIDECAR_METRICS_PORT", website.rpartition(":")[2])
    assert main(["doctor", "--loss", "--server", served.url]) == 2
    assert "a page of metrics" in capsys.readouterr().err
    assert main(["doctor", "--loss", "--server", served.url, "--no-collectors"]) in {0, 1}
    assert "sidecar" not in capsys.readouterr().out
