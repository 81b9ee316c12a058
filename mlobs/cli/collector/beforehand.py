"""What `mlobs collector run` tries before it starts the collector: its ports, its queue, its token."""

import errno
import os
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlobs.cli.collector.components import FORMER
from mlobs.cli.collector.opening import Listening, listening, sending
from mlobs.cli.collector.reading import VARIABLE, Document, Source, filled, map_at, merged
from mlobs.errors import SettingError

FILE = re.compile(r"\$\{file:(.*)\}")
ANSWER_SECONDS = 3.0
REFUSED = (401, 403)


def check_ports(files: list[Source], document: Document) -> None:
    """Refuse an address that another program has, before the collector stops over it.

    Raises:
        SettingError: It is taken, or this machine does not have it.
    """
    for one in listening(document):
        host, _, port = one.endpoint.rpartition(":")
        if not port.isdigit() or port == "0":
            continue
        trouble = _trouble(host.strip("[]"), int(port))
        if trouble:
            variable = _variable(merged(files), one)
            remedy = f"set ${variable} to another" if variable else f"change {'.'.join(one.path)}"
            raise SettingError(
                f"{one.endpoint}, where this collector wants {_wanted(one)}, {trouble}. "
                f"Stop what has it, or {remedy}."
            )


def doubts(files: list[Source], document: Document, environment: Mapping[str, str]) -> list[str]:
    """Return what is to be said of where it sends to: nobody answers, or the token is refused.

    Neither stops a collector: what it takes waits on its disk. But a refused token is final for it.
    """
    found = []
    raw = map_at(merged(files), "exporters")
    for name, url in sending(document).items():
        kind = name.split("/")[0]
        if FORMER["exporters"].get(kind, kind) != "otlp_http" or not url.startswith(("http://", "https://")):
            continue
        headers = _from_file(map_at(raw, name).get("headers"), environment)
        headers |= _from_extension(map_at(map_at(document.data, "exporters"), name), document)
        status = _status(f"{url.rstrip('/')}/v1/traces", headers)
        if status is None:
            found.append(f"Nobody answers at {url} yet; what comes waits on disk until somebody does.")
        elif status in REFUSED:
            whose = "the token it was given" if headers else "a collector without a token"
            found.append(
                f"{url} refuses {whose} ({status}), and what a collector sends then is dropped, not kept. "
                f"Put a token that it takes for sending into the file that $MLOBS_TOKEN_FILE names; the "
                f"collector reads it again when it changes."
            )
    return found


def tokens(files: list[Source], document: Document, environment: Mapping[str, str]) -> dict[str, str]:
    """Return where the token of each exporter comes from, in words, for those that send one."""
    found = {}
    raw = map_at(merged(files), "exporters")
    for name in sending(document):
        extension = _extension(map_at(map_at(document.data, "exporters"), name), document)
        headers = _named(map_at(raw, name).get("headers"), environment)
        if extension:
            told = extension.get("filename")
            found[name] = f"the token in {told}" if told else "a token"
        elif headers not in ("", os.devnull):
            found[name] = f"the headers in {headers}"
    return found


def _trouble(host: str, port: int) -> str:
    """Return why nobody can listen there, in words; "" where one can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # As the collector does.
        try:
            tried.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "is taken by another program"
            if error.errno in (errno.EACCES, errno.EADDRNOTAVAIL):
                return f"cannot be opened here ({os.strerror(error.errno).lower()})"
            return ""  # A name that only the collector's own network knows.
    return ""


def _wanted(one: Listening) -> str:
    return f"to take {one.what}" if one.path[0] == "receivers" else f"to show {one.what}"


def _variable(raw: dict[str, Any], one: Listening) -> str:
    """Return the variable that an address comes from, "" where it stands in the file itself."""
    value: Any = raw
    for key in one.path:
        value = value[int(key)] if isinstance(value, list) else value.get(key)
    found = VARIABLE.search(value) if isinstance(value, str) else None
    return found["name"] if found else ""


def _extension(settings: Mapping[str, Any], document: Document) -> dict[str, Any]:
    auth = map_at(settings, "auth")
    if auth.get("enabled", True) is not True:
        return {}
    return map_at(map_at(document.data, "extensions"), str(auth.get("authenticator")))


def _from_extension(settings: Mapping[str, Any], document: Document) -> dict[str, str]:
    extension = _extension(settings, document)
    told = extension.get("token", "")
    if extension.get("filename"):
        lines = _text(str(extension["filename"])).split()
        told = lines[0] if lines else ""
    scheme = extension.get("scheme", "Bearer")
    return {"Authorization": f"{scheme} {told}".strip()} if extension and told else {}


def _from_file(told: Any, environment: Mapping[str, str]) -> dict[str, str]:
    named = _named(told, environment)
    lines = (line.partition(":") for line in _text(named).splitlines()) if named else ()
    return {key.strip(): value.strip().strip("\"'") for key, _, value in lines if value}


def _named(told: Any, environment: Mapping[str, str]) -> str:
    """Return the file that a value is taken from, "" for another value."""
    found = FILE.fullmatch(filled(told, environment)) if isinstance(told, str) else None
    return found[1] if found else ""


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f"The file {file!r} cannot be read, and the collector takes its token from it: {error}. "
            f"Name one that it can read."
        ) from None


def _status(url: str, headers: Mapping[str, str]) -> int | None:
    """Return what is answered to a request with nothing in it; None where nobody answers."""
    told = {**headers, "Content-Type": "application/x-protobuf"}
    try:
        asked = urllib.request.Request(url, b"", told)  # noqa: S310  only http and https come here
        with urllib.request.urlopen(asked, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return None
