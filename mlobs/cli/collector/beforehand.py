"""What `mlobs collector run` tries before it starts the collector: its ports, its queue, its token."""

import errno
import re
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from mlobs.cli.collector.answering import Answer, answer
from mlobs.cli.collector.components import FORMER
from mlobs.cli.collector.credentials import Credentials, credentials
from mlobs.cli.collector.exposure import public
from mlobs.cli.collector.opening import Listening, listening, sending
from mlobs.cli.collector.reading import VARIABLE, Document, Source, map_at, merged
from mlobs.errors import SettingError

REFUSED = (401, 403)
PORT = re.compile(r"[0-9]+")
PORT_MAX = 65_535
TOKEN_FILE = "MLOBS_TOKEN_FILE"  # noqa: S105  the name of a variable
# What each failure means; of others, such as names that only the collector's own network knows, nothing.
TROUBLES: Mapping[int, str] = {
    errno.EADDRINUSE: "is taken by another program",
    errno.EADDRNOTAVAIL: "cannot be opened here: this machine does not have the address",
    errno.EACCES: "is a port that this user may not open",
    errno.ERANGE: f"is no port: the last one is {PORT_MAX}",
}
# How long the collector tries again where nothing is said.
TRIED = "5m"


def check_ports(files: list[Source], document: Document) -> list[str]:
    """Refuse an address that another program has, before the collector stops over it.

    Returns:
        Doubts: addresses that this program may not open, and the collector perhaps may.

    Raises:
        SettingError: It is taken, this machine does not have it, or it is no port.
    """
    found = []
    for one in listening(document):
        host, _, port = one.endpoint.rpartition(":")
        if not PORT.fullmatch(port) or int(port) == 0:
            continue
        number = _trouble(host.strip("[]"), int(port)) if int(port) <= PORT_MAX else errno.ERANGE
        trouble = TROUBLES.get(number)
        if trouble is None:
            continue
        place = f"{one.endpoint}, where this collector wants {_wanted(one)}, {trouble}"
        variable = _variable(merged(files), one)
        key = f"${variable}" if variable else ".".join(one.path)
        if number == errno.EACCES:
            found.append(f"{place}. If the collector may not either, set {key} to another.")
        elif number == errno.EADDRINUSE:
            raise SettingError(f"{place}. Stop what has it, or set {key} to another.")
        else:
            raise SettingError(f"{place}. Set {key} to another.")
    return found


def doubts(files: list[Source], document: Document, environment: Mapping[str, str]) -> list[str]:
    """Return what is to be said of where it sends to: nobody answers, or the token is refused.

    Neither stops a collector: what it takes waits. But a refused token is final for it.

    Raises:
        SettingError: A file that the collector takes its headers from cannot be read.
    """
    found = []
    raw = map_at(merged(files), "exporters")
    for name in sending(document):
        settings = map_at(map_at(document.data, "exporters"), name)
        known = credentials(name, raw, document, environment)
        if known.absent:
            found.append(_absent(known, settings, document))
        url = _asked(name, settings)
        if url and known.headers is not None:
            place = public(str(settings.get("endpoint") or url))
            found += _doubt(place, answer(url, known.headers), known, settings, files)
    return list(dict.fromkeys(found))


def tokens(files: list[Source], document: Document, environment: Mapping[str, str]) -> dict[str, str]:
    """Return where the token of each exporter comes from, in words, for those that send one.

    Raises:
        SettingError: A file that the collector takes its headers from cannot be read.
    """
    found = {}
    raw = map_at(merged(files), "exporters")
    for name in sending(document):
        known = credentials(name, raw, document, environment)
        if known.file:
            found[name] = f"the {'token' if known.again else 'headers'} in {known.file}"
        elif known.again:
            found[name] = "a token"
    return found


def _trouble(host: str, port: int) -> int:
    """Return the number of the failure to listen there; 0 where one can."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # As the collector does.
            tried.bind((host, port))
    except OSError as error:
        return error.errno or 0
    except UnicodeError:  # No name of a machine; the collector says so.
        return 0
    return 0


def _wanted(one: Listening) -> str:
    return f"to take {one.what}" if one.path[0] == "receivers" else f"to show {one.what}"


def _variable(raw: dict[str, Any], one: Listening) -> str:
    """Return the variable that an address comes from, "" where it stands in the file itself.

    A whole map may come from one. Of several in one text the port's is the last.
    """
    value: Any = raw
    for key in one.path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
    found = list(VARIABLE.finditer(value)) if isinstance(value, str) else []
    return found[-1]["name"] if found else ""


def _asked(name: str, settings: Mapping[str, Any]) -> str:
    """Return the URL of an exporter that can be asked, "" for none."""
    kind = name.split("/")[0]
    if FORMER["exporters"].get(kind, kind) != "otlp_http":
        return ""
    whole = settings.get("endpoint")
    found = settings.get("traces_endpoint") or (f"{str(whole).rstrip('/')}/v1/traces" if whole else "")
    found = str(found or settings.get("metrics_endpoint") or settings.get("logs_endpoint") or "")
    return found if found.startswith(("http://", "https://")) else ""


def _doubt(
    place: str, answered: Answer, known: Credentials, settings: Mapping[str, Any], files: list[Source]
) -> Iterator[str]:
    if answered == "nobody":
        yield f"Nobody answers at {place} yet; what comes {_waiting(settings)}."
    elif answered == "no http":
        yield f"What answers at {place} is no OTLP over HTTP; is it the gRPC port?"
    elif isinstance(answered, int) and answered in REFUSED:
        whose = "the token it was given" if known.headers else "a collector without a token"
        yield (
            f"{place} refuses {whose} ({answered}), and what a collector sends then is dropped, not kept. "
            f"{_remedy(known, files)}"
        )
    elif isinstance(answered, int) and 300 <= answered < 400:
        yield (
            f"{place} leads elsewhere ({answered}), and a token is not carried there to try. Name the "
            f"address itself that takes OTLP."
        )


def _waiting(settings: Mapping[str, Any]) -> str:
    """Return what becomes of what cannot be sent."""
    queue, again = map_at(settings, "sending_queue"), map_at(settings, "retry_on_failure")
    if queue.get("enabled") is False:
        return "is refused until somebody does"
    if again.get("enabled") is False:
        return "is dropped until somebody does"
    where = "on disk" if queue.get("storage") else "in memory"
    limit = str(again.get("max_elapsed_time", TRIED))
    most = "" if re.fullmatch(r"0[a-z]*", limit) else f", {limit} at most"
    return f"waits {where} until somebody does{most}"


def _remedy(known: Credentials, files: list[Source]) -> str:
    if any(found["name"] == TOKEN_FILE for file in files for found in VARIABLE.finditer(file.text)):
        return (
            f"Put a token that it takes for sending into the file that ${TOKEN_FILE} names; the collector "
            f"reads it again when it changes."
        )
    if known.file:
        when = "again when it changes" if known.again else "at its start only"
        return f"Put a token that it takes for sending into {known.file}; the collector reads that {when}."
    return "Give the exporter a token that it takes for sending."


def _absent(known: Credentials, settings: Mapping[str, Any], document: Document) -> str:
    extension = map_at(
        map_at(document.data, "extensions"), str(map_at(settings, "auth").get("authenticator"))
    )
    again = map_at(extension, "retry_on_failure").get("enabled") is True
    remedy = "Write it." if again else "Write it and start the collector again."
    return (
        f"The token file {known.file} is not there yet ({known.absent.lower()}); what is sent until then is "
        f"refused and dropped. {remedy}"
    )
