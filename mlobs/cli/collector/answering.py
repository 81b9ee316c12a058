"""What answers where a collector sends to, asked with nothing in the request."""

import base64
import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any, Literal

from mlobs._listening import host_and_port, speaks_tls
from mlobs.cli.collector.securing import SECONDS, Broken, Trust, Untrusted, failed

ANSWER_SECONDS = 3.0
Answer = int | Literal["nobody", "no http", "no grpc", "tls", "not known", "not tried"] | Untrusted | Broken


class _Staying(urllib.request.HTTPRedirectHandler):
    """Follows nobody: the token is for the address that was given, and for no other."""

    def redirect_request(self, *_told: Any) -> None:
        return None


def answer(url: str, headers: Mapping[str, str], trusted: Trust | None = None) -> Answer:
    """Return the status that is answered, or what else is known of who answers.

    Args:
        url: Where.
        headers: Sent along.
        trusted: Whom the exporter trusts; None where only the collector knows, and then nothing is known of
            TLS that does not come about.
    """
    found = _answer(url, headers, trusted)
    # Who speaks TLS hangs up, or answers with 400.
    return "tls" if found in ("no http", 400) and _has_tls(url) else found


def _answer(url: str, headers: Mapping[str, str], trusted: Trust | None) -> Answer:
    try:
        place, told = _without_user(url)
        told |= {**headers, "Content-Type": "application/x-protobuf"}
        asked = urllib.request.Request(place, b"", told)  # noqa: S310  only http and https come here
        with _opener(trusted).open(asked, timeout=ANSWER_SECONDS) as answered:
            return int(answered.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (ConnectionResetError, BrokenPipeError, http.client.HTTPException) as error:
        # A URL that cannot be asked is none that anybody answered.
        known = url.startswith("http://") and not isinstance(error, http.client.InvalidURL)
        return "no http" if known else "not known"
    except OSError as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLError):
            return failed(reason) if trusted and not trusted.name else "not known"
        if isinstance(reason, ConnectionResetError | BrokenPipeError):
            return "no http" if url.startswith("http://") else "not known"
        return "nobody"
    except ValueError:  # A header that no HTTP may have, or a name that is no name.
        return "not known"


def _opener(trusted: Trust | None) -> urllib.request.OpenerDirector:
    if trusted is None or trusted.name:  # A name of its own is more than these can be asked with.
        return urllib.request.build_opener(_Staying)
    return urllib.request.build_opener(_Staying, urllib.request.HTTPSHandler(context=trusted.context))


def _has_tls(url: str) -> bool:
    return url.startswith("http://") and speaks_tls(*host_and_port(url), SECONDS)


def _without_user(url: str) -> tuple[str, dict[str, str]]:
    """Return a URL without the user in it, who is a header of the request."""
    parts = urllib.parse.urlsplit(url)
    user, there, host = parts.netloc.rpartition("@")
    if not there:
        return url, {}
    name, _, password = user.partition(":")
    said = f"{urllib.parse.unquote(name)}:{urllib.parse.unquote(password)}".encode()
    return parts._replace(netloc=host).geturl(), {"Authorization": f"Basic {base64.b64encode(said).decode()}"}
