"""Why an endpoint gives no answer, and what to do about it: real servers, with and without TLS."""

import socket
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from mlobs.instrument.transport import silence
from mlobs.instrument.transport.grpc import GrpcTransport
from mlobs.instrument.transport.http import CREDENTIALS, HttpTransport, answered
from tests import sink as sinks
from tests.certificates import signed
from tests.instrument.takers import BODY, Taker, tls_sink

NOBODY = ("no connection", silence.START)
UNTRUSTED = "its certificate is not trusted: self"  # "-signed" or " signed", as who says it likes
OTHER_NAME = "Write a name in the endpoint that the certificate has."


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A certificate for localhost that nobody trusts who was not told, and its key."""
    made = signed(tmp_path_factory.mktemp("certificates"), "localhost")
    return made.chain, made.key


@pytest.fixture(scope="module")
def calls(pair):
    """The ports of a gRPC server: one in plain text, one with TLS."""
    server = grpc.server(ThreadPoolExecutor(2), handlers=[Taker()])
    chain, key = pair
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), chain.read_bytes())])
    ports = server.add_insecure_port("127.0.0.1:0"), server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield ports
    server.stop(0).wait()


def over_http(address, trust=None):
    answer = HttpTransport(address, headers={}, certificate=trust and str(trust)).post(BODY, 30)
    assert answer.outcome == "unreachable"
    return answer.words, answer.remedy


def over_grpc(address, trust=None):
    answer = GrpcTransport(address, headers={}, certificate=trust and str(trust)).post(BODY, 30)
    assert answer.outcome == "unreachable"
    return answer.words, answer.remedy


def test_where_nobody_listens_a_server_is_to_be_started():
    """Or the name of the host is wrong: both are seen at once."""
    for address in ("http://127.0.0.1:9", "https://127.0.0.1:9", "http://nowhere.invalid:4318"):
        assert over_http(f"{address}/v1/traces") == NOBODY
        assert over_grpc(address) == NOBODY


def test_an_address_that_is_none_is_told():
    """It is found out when it is used; what raises there would be a mistake of ours."""
    for address in ("http://a..b:4318", "http://[::1", f"http://{'a' * 300}:1"):
        words, remedy = over_http(f"{address}/v1/traces")
        assert words.startswith("the address cannot be used: ")
        assert remedy == "Write it as http://host:port."


def test_an_untrusted_certificate_is_told_with_the_variable_that_trusts_it(pair, calls):
    """A private CA is the rule inside companies."""
    with tls_sink(pair[1], pair[0]) as url:
        found = [over_http(url), over_grpc(f"https://localhost:{calls[1]}")]
    for words, remedy in found:
        assert words.startswith(UNTRUSTED)
        assert (
            remedy
            == "OTEL_EXPORTER_OTLP_CERTIFICATE or MLOBS_CERTIFICATE names a file of certificates to trust."
        )


def test_a_certificate_for_another_name_is_not_to_be_trusted(pair, calls):
    """Another file of certificates would not help."""
    with tls_sink(pair[1], pair[0]) as url:
        found = [over_http(url.replace("localhost", "127.0.0.1"), pair[0])]
    found.append(over_grpc(f"https://127.0.0.1:{calls[1]}", pair[0]))
    assert found == [("its certificate is for another name", OTHER_NAME)] * 2


def test_plain_text_to_a_port_that_speaks_tls(pair, calls):
    """All that is seen of it is a closed connection."""
    with tls_sink(pair[1], pair[0]) as url:
        found = [over_http(url.replace("https:", "http:"))]
    found += [over_http(f"http://localhost:{calls[1]}/v1/traces"), over_grpc(f"http://localhost:{calls[1]}")]
    assert found == [("TLS is spoken there", silence.WRITE_HTTPS)] * 3


def test_tls_to_a_port_that_speaks_plain_text(calls):
    """As where a proxy takes the TLS away."""
    found = [
        over_http(sinks.start().url.replace("http:", "https:")),
        over_grpc(f"https://localhost:{calls[0]}"),
    ]
    assert found == [("no TLS is spoken there", silence.WRITE_HTTP)] * 2


def test_the_other_protocol_of_otlp(calls):
    """4317 and 4318 are mixed up by everybody once."""
    words, remedy = over_http(f"http://127.0.0.1:{calls[0]}/v1/traces")
    assert (words, "gRPC has 4317" in remedy) == ("no HTTP is spoken there", True)
    words, remedy = over_grpc(sinks.start().url)
    assert (words, "HTTP has 4318" in remedy) == ("no gRPC is spoken there", True)


def test_files_of_certificates_that_are_none(tmp_path, pair, calls):
    """Their names are in the environment, so that is where to look."""
    empty, none = tmp_path / "empty.pem", tmp_path / "none.pem"
    empty.write_text("no certificate")
    with tls_sink(pair[1], pair[0]) as url:
        found = [over_http(url, empty), over_grpc(f"https://localhost:{calls[1]}", empty)]
        gone = [
            over_http(url, none),
            over_grpc(f"https://localhost:{calls[1]}", none),
        ]
    assert found == [("the file of certificates to trust has none", silence.TRUST)] * 2
    assert [(str(none) in words, remedy) for words, remedy in gone] == [(True, silence.FILES)] * 2


def test_a_server_that_closes_without_an_answer_is_there():
    """It is not started by starting one."""
    sink = sinks.start()
    sink.answers = [lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)] * 4
    assert over_http(f"{sink.url}/v1/traces") == ("it closed the connection", silence.LOOK)


@pytest.mark.parametrize(
    ("status", "body", "words", "remedy"),
    [
        (401, b"", "401", CREDENTIALS),
        (404, b"no such page", "404: no such page", "OTLP over HTTP is taken at /v1/traces."),
        (503, b"the disk is full", "503: the disk is full", ""),
        (503, b"", "503", silence.LOOK),
        (
            400,
            b"Client sent an HTTP request to an HTTPS server.\n",
            "400: Client sent an HTTP request to an HTTPS server.",
            silence.WRITE_HTTPS,
        ),
    ],
)
def test_a_status_is_told_with_what_it_said(status, body, words, remedy):
    """Go's servers answer plain text on a port for TLS with a status."""
    answer = answered(status, "", body)
    assert (answer.words, answer.remedy) == (words, remedy)


def test_a_grpc_server_that_says_unavailable_is_there():
    """What it said counts."""
    taker = Taker()
    server = grpc.server(ThreadPoolExecutor(1), handlers=[taker])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    taker.answers = [(grpc.StatusCode.UNAVAILABLE, "the disk is full")]
    assert over_grpc(f"http://127.0.0.1:{port}") == ("UNAVAILABLE: the disk is full", silence.LOOK)
    server.stop(0).wait()
