"""What a doctor finds in an environment, over TLS and over gRPC."""

import json
import socket

import pytest

from mlobs.cli import main
from mlobs.cli.surroundings import remarks
from tests.certificates import certificate as certificate
from tests.server.receiving import receiving
from tests.server.tokens import token_file

TOKEN = "a-token-of-sixteen-and-more"


@pytest.fixture
def doctor(monkeypatch, capsys):
    """Run the command in an environment; return what it found."""

    def run(server: str, **variables: str):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        main(["doctor", "--json", "--server", server])
        return json.loads(capsys.readouterr().out)

    return run


def test_over_grpc_the_span_goes_over_grpc(doctor, served):
    found = doctor(
        served.url, OTEL_EXPORTER_OTLP_PROTOCOL="grpc", OTEL_EXPORTER_OTLP_ENDPOINT=served.grpc_url
    )
    assert (found["ok"], found["reason"]) == (True, None)
    assert found["steps"][0]["found"].endswith("over gRPC")
    assert found["steps"][1]["found"] == "a gRPC server answers"


@pytest.mark.slow
def test_an_open_port_without_grpc_is_not_called_closed(doctor, served):
    found = doctor(served.url, OTEL_EXPORTER_OTLP_PROTOCOL="grpc", OTEL_EXPORTER_OTLP_ENDPOINT=served.url)
    assert "speaks no gRPC" in found["reason"]


def test_nothing_answers_where_no_grpc_server_listens(doctor, served):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = doctor(
        served.url,
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
    )
    assert "Nothing answers" in found["reason"]


def test_the_port_of_grpc_over_http_is_told_whatever_its_number(doctor, served):
    found = doctor(served.url, OTEL_EXPORTER_OTLP_ENDPOINT=served.grpc_url)
    assert "speaks no HTTP, as the port of gRPC does not" in found["reason"]


def test_an_endpoint_of_spans_needs_its_path(doctor, served):
    found = doctor(served.url, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=served.url)
    assert f"needs the path: {served.url}/v1/traces" in found["reason"]
    assert doctor(served.url, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{served.url}/v1/traces")["ok"]


@pytest.mark.parametrize("sampler", ["always_off", "parentbased_always_off"])
def test_a_sampler_that_keeps_nothing_is_the_reason(doctor, served, sampler):
    found = doctor(served.url, OTEL_EXPORTER_OTLP_ENDPOINT=served.url, OTEL_TRACES_SAMPLER=sampler)
    assert "keeps no trace" in found["reason"]


def test_a_misspelt_variable_is_a_remark_and_a_known_one_is_none():
    found = remarks({"MLOBS_CONTNET": "full", "MLOBS_CONTENT": "off", "MLOBS_ALERT_HOLD_S": "1"})
    assert found == ["MLOBS_CONTNET is set and nothing reads it; did you mean MLOBS_CONTENT?"]


@pytest.mark.parametrize(
    "name",
    [
        "MLOBS_TOKEN_FILE",
        "MLOBS_ALERT_RECEIVE_SECRET_FILE",
        "MLOBS_ENDPOINT",
        "MLOBS_SIDECAR_METRICS_PORT",
        "MLOBS_SAMPLER_BASE_PERCENT",
        "MLOBS_CLICKHOUSE_PASSWORD_FILE",
        "MLOBS_RUN",
    ],
)
def test_secrets_in_files_and_variables_of_a_collector_are_no_remarks(name):
    """Of a pod or a shell they are in the environment of the program as well."""
    assert remarks({name: "1"}) == []


def test_a_file_of_what_is_no_secret_is_a_remark():
    [found] = remarks({"MLOBS_PORT_FILE": "/run/port"})
    assert "nothing reads it" in found


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("OTEL_TRACES_SAMPLER", "allways_on", "no sampler that the SDK knows"),
        ("OTEL_TRACES_EXPORTER", "none", "send no spans"),
    ],
)
def test_what_is_odd_is_a_remark(name, value, words):
    [found] = remarks({name: value})
    assert words in found


@pytest.fixture
def secure(tmp_path, certificate):
    """A listener that speaks TLS and asks for a token."""
    tokens = token_file(tmp_path, f"ingest,read,admin {TOKEN}\n")
    given = {"tls_certificate": certificate.chain, "tls_key": certificate.key, "tokens": tokens}
    with receiving(tmp_path, **given) as started:
        yield started


def test_over_tls_the_doctor_trusts_what_the_program_trusts(doctor, secure, certificate):
    """All steps but the last, for this listener has no store."""
    given = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": secure.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{TOKEN}",
    }
    assert f"The certificate of {secure.url} is not trusted" in doctor(secure.url, **given)["reason"]
    found = doctor(secure.url, **given, OTEL_EXPORTER_OTLP_CERTIFICATE=str(certificate.chain))
    assert [step["ok"] for step in found["steps"][:3]] == [True] * 3
    grpc = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": secure.grpc_url}
    found = doctor(secure.url, **given | grpc)
    assert [step["ok"] for step in found["steps"][:3]] == [True] * 3
    found = doctor(secure.url, **given | grpc | {"OTEL_EXPORTER_OTLP_HEADERS": ""})
    assert "OTEL_EXPORTER_OTLP_HEADERS" in found["reason"]


def test_commands_say_what_is_wrong_with_tls_and_tokens(secure, certificate, monkeypatch, capsys):
    plain = secure.url.replace("https", "http")

    def said(url: str) -> str:
        assert main(["traces", "list", "--server", url]) == 2
        return capsys.readouterr().err

    assert "is not trusted: self-signed certificate. MLOBS_CERTIFICATE names a file" in said(secure.url)
    assert "speaks TLS: write https:// instead of http://" in said(plain)
    monkeypatch.setenv("MLOBS_CERTIFICATE", "/nowhere.pem")
    assert "MLOBS_CERTIFICATE='/nowhere.pem' cannot be read: No such file" in said(secure.url)
    monkeypatch.delenv("MLOBS_CERTIFICATE")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(certificate.chain))
    assert "wants a token: set MLOBS_TOKEN" in said(secure.url)
    monkeypatch.setenv("MLOBS_CERTIFICATE", str(certificate.chain))
    monkeypatch.setenv("MLOBS_TOKEN", "another")
    assert "does not know the token of MLOBS_TOKEN" in said(secure.url)


def test_commands_tell_plain_http_and_grpc_from_no_server(served, capsys):
    for url, words in (
        (served.url.replace("http", "https"), "speaks no TLS: write http:// instead of https://"),
        (served.grpc_url, "the port of gRPC"),
    ):
        assert main(["traces", "list", "--server", url]) == 2
        assert words in capsys.readouterr().err


def test_every_address_is_reached_by_the_machines_name():
    from mlobs.cli.addresses import reached

    assert reached("https://0.0.0.0:4318") == f"https://{socket.gethostname()}:4318"
    assert reached("http://10.0.0.7:4318") == "http://10.0.0.7:4318"
