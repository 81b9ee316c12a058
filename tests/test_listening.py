"""What listens at a port is known by the words of a failure, or by a look at it."""

import ssl

import pytest
import requests

from mlobs._listening import distrust, no_http, no_tls, speaks_tls
from tests.certificates import certificate as certificate
from tests.connections import listening
from tests.processes import free_port


def plain(came):
    came.recv(1000)
    came.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("protocols", [[], ["h2"]])
@pytest.mark.parametrize("asks", [ssl.CERT_NONE, ssl.CERT_REQUIRED])
def test_a_port_that_speaks_tls_is_known_whomever_it_lets_in(certificate, protocols, asks):
    """Also one that takes gRPC alone, and one that wants a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # In which whoever has no certificate hears it at once.
    context.load_cert_chain(certificate.chain, certificate.key)
    context.load_verify_locations(certificate.chain)
    context.verify_mode = asks
    context.set_alpn_protocols(protocols)
    with listening(lambda came: context.wrap_socket(came, server_side=True).close()) as port:
        assert speaks_tls("127.0.0.1", port, 30)


def test_a_port_that_speaks_another_protocol_and_one_where_nobody_listens_speak_no_tls():
    """And a name that is none raises nothing."""
    with listening(plain) as port:
        assert not speaks_tls("127.0.0.1", port, 30)
    assert not speaks_tls("127.0.0.1", free_port(), 30)
    assert not speaks_tls(f"{'a' * 70}.example", 1, 30)


def test_what_an_error_says_is_understood(certificate):
    """As `requests` has it in its sentences, with the words of TLS inside."""
    with listening(plain) as port, pytest.raises(requests.exceptions.SSLError) as error:
        requests.get(f"https://127.0.0.1:{port}", timeout=30)
    assert no_tls(str(error.value))
    assert not distrust(str(error.value))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    with (
        listening(lambda came: context.wrap_socket(came, server_side=True).close()) as port,
        pytest.raises(requests.exceptions.SSLError) as error,
    ):
        requests.get(f"https://127.0.0.1:{port}", timeout=30)
    assert distrust(str(error.value)).startswith("self")
    assert not no_tls(str(error.value))


def test_a_port_that_speaks_no_http_is_known_by_what_it_answers():
    """A server of gRPC sends its own settings first."""

    def settings(came):
        came.sendall(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        came.recv(1000)

    with listening(settings) as port, pytest.raises(requests.exceptions.ConnectionError) as error:
        requests.get(f"http://127.0.0.1:{port}", timeout=30)
    assert no_http(str(error.value))
