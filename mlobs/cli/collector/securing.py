"""TLS as an exporter of a collector speaks it, and why it does not come about."""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlobs.errors import SettingError

FILES = ("ca_file", "cert_file", "key_file")
# What only the collector can do, so that an answer without it would say nothing of it.
ITS_OWN = ("ca_pem", "cert_pem", "key_pem")
# OpenSSL's numbers of a certificate for others, by name and by address, and of one whose time is over.
OTHERS, OVER = (62, 64), 10
SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom an exporter trusts, read once as the collector does.

    Args:
        context: What the standard library speaks TLS with.
        roots: The certificates, for gRPC; None for those of the system.
        shown: Its own certificate and the key, for gRPC.
        name: The name that the certificate is to be for; "" for the one in the address.
        anybody: Whether the certificate is looked at by nobody.
    """

    context: ssl.SSLContext = field(repr=False)
    roots: bytes | None = field(default=None, repr=False)
    shown: tuple[bytes | None, bytes | None] = field(default=(None, None), repr=False)
    name: str = ""
    anybody: bool = False


@dataclass(frozen=True, slots=True)
class Untrusted:
    """A certificate that is not taken.

    Args:
        why: In OpenSSL's words.
        number: Its number for that.
    """

    why: str
    number: int


@dataclass(frozen=True, slots=True)
class Broken:
    """TLS that fails for another reason, in OpenSSL's words."""

    why: str


def trust(exporter: str, tls: Mapping[str, Any]) -> Trust | None:
    """Return whom an exporter trusts; None where only the collector can know.

    Raises:
        SettingError: A file of certificates cannot be used, and the collector would not start over it.
    """
    tpm = tls.get("tpm")
    if any(tls.get(key) for key in ITS_OWN) or (isinstance(tpm, dict) and tpm.get("enabled")):
        return None
    ca, shown, key = (str(tls.get(name) or "") for name in FILES)
    read = {file: _read(exporter, name, file) for name, file in zip(FILES, (ca, shown, key), strict=True)}
    try:
        context = ssl.create_default_context(cafile=ca or None)
        if ca and tls.get("include_system_ca_certs_pool") is True:
            context.load_default_certs()
        if shown and key:
            context.load_cert_chain(shown, key)
    except (ssl.SSLError, ValueError) as error:
        told = ", ".join(filter(None, (ca, shown, key)))
        raise SettingError(
            f"The certificates of the exporter {exporter!r} cannot be used: {told} ({_said(error)}). "
            f"Give files in PEM."
        ) from None
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # The collector takes certificates as they are.
    anybody = tls.get("insecure_skip_verify") is True
    if anybody:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    name = str(tls.get("server_name_override") or "")
    return Trust(context, read[ca], (read[shown], read[key]), name, anybody)


def fault(host: str, port: int, trusted: Trust) -> Untrusted | Broken | None:
    """Return why TLS does not come about there; None where it does.

    Raises:
        OSError: Nobody is there.
    """
    with socket.create_connection((host, port), SECONDS) as plain:
        try:
            trusted.context.wrap_socket(plain, server_hostname=trusted.name or host).close()
        except ssl.SSLError as error:
            return failed(error)
        except OSError as error:  # Who is there hangs up, or says nothing.
            return Broken((error.strerror or str(error)).lower())
    return None


def failed(error: ssl.SSLError) -> Untrusted | Broken:
    """Return what an error of TLS means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Untrusted(error.verify_message.rstrip("."), error.verify_code)
    return Broken(_said(error))


def _said(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error).replace("_", " ").lower()


def _read(exporter: str, key: str, file: str) -> bytes | None:
    if not file:
        return None
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:
        raise SettingError(
            f"The file {file!r} that the exporter {exporter!r} takes its {key} from cannot be read: "
            f"{getattr(error, 'strerror', None) or error}. Name one that it can read."
        ) from None
