"""Certificates for what is asked over TLS, made by openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Certificate:
    """A certificate that signs itself, and its key."""

    chain: Path
    key: Path


def signed(folder: Path, *names: str) -> Certificate:
    """Return a certificate for some names and addresses."""
    made = Certificate(folder / f"{names[0]}.pem", folder / f"{names[0]}.key")
    others = ",".join(f"{'DNS' if name.strip('0123456789.') else 'IP'}:{name}" for name in names)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-keyout", str(made.key), "-out", str(made.chain), "-days", "2", "-subj", f"/CN={names[0]}"]
    command += ["-addext", f"subjectAltName={others}"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl, which makes the certificate, is not installed")
    return made


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for this machine."""
    return signed(tmp_path_factory.mktemp("tls"), "localhost", "127.0.0.1")
