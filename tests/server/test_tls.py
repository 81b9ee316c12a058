"""Where the server listens: with a certificate of its own, and at addresses of this machine."""

import grpc
import pytest
import requests

from mlobs.errors import ServerError, SettingError
from mlobs.server.receive.grpc import METHODS
from tests.certificates import certificate as certificate
from tests.server.receiving import receiving
from tests.server.tokens import token_file


def test_with_a_certificate_http_and_grpc_speak_tls(tmp_path, certificate):
    """To clients that trust it, and to nobody in the open."""
    given_ = {"tls_certificate": certificate.chain, "tls_key": certificate.key}
    with receiving(tmp_path, **given_) as secure:
        assert secure.url.startswith("https://127.0.0.1:")
        assert secure.grpc_url.startswith("https://127.0.0.1:")
        headers = {"Content-Type": "application/x-protobuf"}
        url, trusted = f"{secure.url}/v1/traces", str(certificate.chain)
        assert requests.post(url, b"", headers=headers, verify=trusted, timeout=30).status_code == 200
        with pytest.raises(requests.exceptions.SSLError):
            requests.post(url, b"", headers=headers, timeout=30)
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.post(url.replace("https", "http"), b"", headers=headers, timeout=30)
        trust = grpc.ssl_channel_credentials(certificate.chain.read_bytes())
        [method, *_] = METHODS
        with grpc.secure_channel(secure.grpc_url.removeprefix("https://"), trust) as channel:
            assert channel.unary_unary(method)(b"", timeout=30) == b""
        with pytest.raises(grpc.RpcError):
            secure.export(b"")


def test_a_certificate_that_cannot_be_used_is_named(tmp_path, certificate):
    """Half of one, one that is not there, and two that do not belong together."""
    junk = tmp_path / "junk.pem"
    junk.write_text("nothing")
    for chain, key, sentence in (
        (certificate.chain, None, "MLOBS_TLS_CERTIFICATE is set and MLOBS_TLS_KEY is not; TLS needs both"),
        (None, certificate.key, "MLOBS_TLS_KEY is set and MLOBS_TLS_CERTIFICATE is not; TLS needs both"),
        (tmp_path / "none", certificate.key, "MLOBS_TLS_CERTIFICATE='.*none' cannot be read: No such file"),
        (
            certificate.chain,
            junk,
            "cannot be used together: .*both PEM and without a password, were expected",
        ),
        (junk, certificate.key, "cannot be used together"),
    ):
        with (
            pytest.raises(SettingError, match=sentence),
            receiving(tmp_path, tls_certificate=chain, tls_key=key),
        ):
            pass


def test_an_address_of_another_machine_is_refused(tmp_path):
    """With the reason of the operating system."""
    tokens = token_file(tmp_path, f"read {'a' * 16}")
    with (
        pytest.raises(ServerError, match=r"Port 0 on 192\.0\.2\.1 cannot be listened on: Cannot assign"),
        receiving(tmp_path, host="192.0.2.1", tokens=tokens),
    ):
        pass
