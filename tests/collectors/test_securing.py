"""TLS on the way out of a collector: which certificates it trusts, and what is said where that fails."""

import ssl
from contextlib import contextmanager

import pytest

from mlobs.cli.collector.beforehand import check_certificates
from mlobs.cli.collector.configurations import sources
from mlobs.cli.collector.destinations import destinations
from mlobs.cli.collector.watching import ask_all
from mlobs.errors import SettingError
from tests.certificates import certificate as certificate
from tests.collectors import sidecar, tiers
from tests.collectors.configured import answering, configured, saying, settings
from tests.collectors.files import collector
from tests.collectors.programs import provider
from tests.connections import listening
from tests.processes import free_port
from tests.server.receiving import receiving
from tests.waiting import until

WAITS = "what comes waits on disk until somebody does"
AGAIN = "and start the collector again."


def asked(name, **environment):
    """Return what is said at the start of a configuration that ships with mlobs."""
    lines = []
    ask_all(destinations(settings(sources(name), **environment)), lines.append)
    return lines


def sent(endpoint, **more):
    return asked("sidecar", MLOBS_ENDPOINT=endpoint, **more)


def sampled(place, **more):
    """Return the same of a gateway's samplers."""
    given = {"MLOBS_ENDPOINT": "", "MLOBS_GATEWAY_TOKEN_FILE": "t", "MLOBS_SAMPLERS": f"[{place}]"}
    return asked("gateway", **given, **more)


@pytest.fixture
def secure(tmp_path, certificate):
    """A receiver that speaks TLS over HTTP and gRPC."""
    with receiving(tmp_path, tls_certificate=certificate.chain, tls_key=certificate.key) as started:
        yield started


@contextmanager
def handshaking(certificate, host="127.0.0.1"):
    """Shake hands with whoever comes, and hang up; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    with listening(lambda came: context.wrap_socket(came, server_side=True).close(), host) as port:
        yield port


def test_a_certificate_that_is_not_trusted_is_told_with_the_variable_that_names_one_to_trust(
    secure, certificate
):
    """What is sent would wait in the queue, without a word."""
    [line] = sent(secure.url)
    assert line == (
        f"The certificate of {secure.url} is not trusted (self-signed certificate); {WAITS}. Put the "
        f"certificate of whoever signed it into a file, set $MLOBS_CERTIFICATE to it, {AGAIN}"
    )
    assert sent(secure.url, MLOBS_CERTIFICATE=str(certificate.chain)) == [f"{secure.url} answers."]


@pytest.mark.slow
def test_the_samplers_of_a_gateway_are_trusted_by_a_variable_of_their_own(secure, certificate):
    """A server elsewhere may have a certificate of another authority."""
    place = secure.grpc_url.removeprefix("https://")
    [line] = sampled(place, MLOBS_CERTIFICATE=str(certificate.chain))
    assert line.startswith(f"The certificate of {place} is not trusted (self-signed certificate); {WAITS}.")
    assert f"set $MLOBS_SAMPLER_CERTIFICATE to it, {AGAIN}" in line
    assert sampled(place, MLOBS_SAMPLER_CERTIFICATE=str(certificate.chain)) == [f"{place} answers."]


@pytest.mark.slow
def test_who_speaks_tls_and_no_grpc_is_taken_for_the_http_port(certificate):
    """Not for one without TLS, and not for one that is not trusted."""
    with handshaking(certificate) as port:
        lines = sampled(f"127.0.0.1:{port}", MLOBS_SAMPLER_CERTIFICATE=str(certificate.chain))
    assert lines == [f"What answers at 127.0.0.1:{port} is no OTLP over gRPC; is it the HTTP port?"]


def test_a_certificate_for_another_name_is_no_matter_of_trust(certificate):
    """No file of certificates mends that."""
    with handshaking(certificate, "127.0.0.2") as port:
        [line] = sent(f"https://127.0.0.2:{port}", MLOBS_CERTIFICATE=str(certificate.chain))
    assert "IP address mismatch" in line
    assert line.endswith("Send to a name that the certificate is for.")


@pytest.mark.slow
def test_who_speaks_tls_where_the_collector_does_not_is_told_apart_from_the_wrong_port(secure, certificate):
    """It was taken for a gRPC port."""
    plain = secure.url.replace("https", "http")
    told = f"What answers at {plain} speaks TLS, and the collector does not. "
    assert sent(plain) == [f"{told}Write https:// instead of http://."]
    place = secure.grpc_url.removeprefix("https://")
    told = f"What answers at {place} speaks TLS, and the collector does not. "
    assert sampled(place, MLOBS_SAMPLER_INSECURE="true") == [f"{told}Set $MLOBS_SAMPLER_INSECURE to false."]


@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_in_the_open_is_not_taken_for_tls(status):
    """Go answers plain HTTP at a TLS port with 400, and others answer so for reasons of their own."""
    with answering(status) as (url, _):
        assert sent(url) == [f"{url} answers."]


def test_who_speaks_no_tls_is_told_so():
    """The address is for http://."""
    with answering(200) as (url, _):
        [line] = sent(url.replace("http", "https"))
    assert "speaks no TLS, and the collector does. Write http:// instead of https://" in line
    with saying(b"") as url:
        [line] = sent(url.replace("http", "https"))
    assert "does not come about" in line or "speaks no TLS" in line
    assert "Write http:// instead of https://" in line


def test_certificates_that_cannot_be_used_stop_the_start(tmp_path):
    """The collector would stop over them with twenty lines; this says one."""
    (tmp_path / "no.pem").write_text("no certificate")
    (tmp_path / "key.pem").write_text("no key")
    for told, words in (
        (f"ca_file: '{tmp_path}/absent'", "takes its ca_file from cannot be read: No such file or directory"),
        (f"ca_file: '{tmp_path}/no.pem'", r"cannot be used: .*no.pem \(.*\). Give files in PEM."),
        (f"cert_file: '{tmp_path}/no.pem', key_file: '{tmp_path}/key.pem'", "Give files in PEM."),
    ):
        with pytest.raises(SettingError, match=words):
            check_certificates(settings(configured(f"endpoint: 'https://h', tls: {{{told}}}")))


@pytest.mark.slow
def test_a_certificate_to_trust_and_none_at_all_do_not_go_together(tmp_path):
    """The collector speaks TLS as soon as there is one, whatever else is said."""
    given = {"MLOBS_SAMPLER_CERTIFICATE": str(tmp_path / "ca.pem"), "MLOBS_SAMPLER_INSECURE": "true"}
    files = {"MLOBS_GATEWAY_TOKEN_FILE": str(tmp_path / "token")}
    done = collector("run", "gateway", MLOBS_ENDPOINT="http://127.0.0.1:1", **files, **given)
    assert done.returncode == 2
    assert "$MLOBS_SAMPLER_INSECURE is true and $MLOBS_SAMPLER_CERTIFICATE is set" in done.stderr
    # A sidecar has no samplers, and goes on to the next check.
    done = collector("run", MLOBS_ENDPOINT="http://127.0.0.1:1", XDG_CACHE_HOME=str(tmp_path), **given)
    assert "The collector is not built yet" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("variable", ["MLOBS_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"])
def test_a_sidecar_sends_to_a_receiver_whose_certificate_is_of_one_s_own(
    tmp_path, secure, certificate, variable
):
    """Named as it is for commands, or for programs."""
    with sidecar.running(tmp_path, secure.url, **{variable: str(certificate.chain)}) as beside:
        assert f"mlobs: {secure.url} answers.\n" in (tmp_path / "collector.log").read_text()
        made = provider(beside)
        made.get_tracer("test").start_span("one").end()
        made.shutdown()
        assert len(until(lambda: secure.kept())) == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_gateway_sends_to_a_sampler_over_tls(tmp_path, secure, certificate):
    """Neither may be asked in the open."""
    tls = f"tls: {{cert_file: '{certificate.chain}', key_file: '{certificate.key}'}}"
    file = tmp_path / "tls.yaml"
    file.write_text(f"receivers: {{otlp: {{protocols: {{grpc: {{{tls}}}}}}}}}\n")
    (tmp_path / "sampler").mkdir()
    trusted = {"MLOBS_CERTIFICATE": str(certificate.chain)}
    port = free_port()
    with (
        tiers.sampler(
            tmp_path / "sampler",
            secure.url,
            more=(str(file),),
            MLOBS_SAMPLER_GRPC=f"localhost:{port}",
            MLOBS_SAMPLER_BASE_PERCENT="100",
            **trusted,
        ),
        tiers.gateway(
            tmp_path,
            secure.url,
            [f"localhost:{port}"],
            MLOBS_SAMPLER_CERTIFICATE=str(certificate.chain),
            **trusted,
        ) as first,
    ):
        assert (
            f"mlobs: localhost:{port} answers and takes the token." in (tmp_path / "gateway.log").read_text()
        )
        made = provider(first)
        made.get_tracer("test").start_span("one").end()
        made.shutdown()
        assert len(until(lambda: secure.kept())) == 1
