"""What `mlobs collector run` looks at before it starts the collector: its ports, and the files of tokens."""

import errno
import re
import socket
from collections.abc import Mapping
from pathlib import Path as File
from typing import Any

from mlobs.cli.collector.credentials import AUTHENTICATOR, client, credentials
from mlobs.cli.collector.destinations import Configured
from mlobs.cli.collector.opening import Listening, listening, sending
from mlobs.cli.collector.reading import VARIABLE, Document, Path, Source, list_at, map_at, merged
from mlobs.cli.collector.securing import trust
from mlobs.cli.collector.verdicts import absent
from mlobs.errors import SettingError

PORT = re.compile(r"[0-9]+")
PORT_MAX = 65_535
# What each failure means; of others, such as names that only the collector's own network knows, nothing.
TROUBLES: Mapping[int, str] = {
    errno.EADDRINUSE: "is taken by another program",
    errno.EADDRNOTAVAIL: "cannot be opened here: this machine does not have the address",
    errno.EACCES: "is a port that this user may not open",
    errno.ERANGE: f"is no port: the last one is {PORT_MAX}",
}


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
        variable = variable_at(merged(files), one.path)
        key = f"${variable}" if variable else ".".join(one.path)
        if number == errno.EACCES:
            found.append(f"{place}. If the collector may not either, set {key} to another.")
        elif number == errno.EADDRINUSE:
            raise SettingError(f"{place}. Stop what has it, or set {key} to another.")
        else:
            raise SettingError(f"{place}. Set {key} to another.")
    return found


def absences(configured: Configured) -> list[str]:
    """Return what is to be said of token files that are not there, without which the collector starts.

    Raises:
        SettingError: A file that the collector takes its headers from cannot be read.
    """
    found = []
    exporters = map_at(configured.document.data, "exporters")
    extensions = map_at(configured.document.data, "extensions")
    for name in sending(configured.document):
        known = credentials(name, configured.raw, configured.document, configured.environment)
        if known.absent:
            authenticator = map_at(client(name, exporters), "auth").get("authenticator")
            found.append(absent(known, map_at(extensions, str(authenticator))))
    senders = {str(map_at(client(name, exporters), "auth").get("authenticator")) for name in exporters}
    for name in map(str, list_at(map_at(configured.document.data, "service"), "extensions")):
        file = str(map_at(extensions, name).get("filename") or "")
        if (
            file
            and name.split("/")[0] == AUTHENTICATOR
            and name not in senders
            and (why := _unreadable(file))
        ):
            found.append(
                f"The file {file} with the token that senders are to show cannot be read ({why}), and "
                f"whoever sends is refused. Write it and start the collector again."
            )
    return list(dict.fromkeys(found))


def check_certificates(configured: Configured) -> None:
    """Refuse a file of certificates that cannot be used, before the collector stops over it.

    Raises:
        SettingError: It cannot.
    """
    exporters = map_at(configured.document.data, "exporters")
    for name in sending(configured.document):
        trust(name, map_at(client(name, exporters), "tls"))


def tokens(configured: Configured) -> dict[str, str]:
    """Return where the token of each exporter comes from, in words, for those that send one.

    Raises:
        SettingError: A file that the collector takes its headers from cannot be read.
    """
    found = {}
    for name in sending(configured.document):
        known = credentials(name, configured.raw, configured.document, configured.environment)
        if known.file:
            found[name] = f"the {'token' if known.again else 'headers'} in {known.file}"
        elif known.again:
            found[name] = "a token"
    return found


def _unreadable(file: str) -> str:
    """Return why a file cannot be read, "" where it can."""
    try:
        File(file).read_bytes()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    except ValueError as error:  # A name that no file can have.
        return str(error)
    return ""


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


def variable_at(raw: Mapping[str, Any], path: Path) -> str:
    """Return the variable that a value comes from, "" where it stands in the file itself.

    A whole map may come from one. Of several in one text the last is returned, which is an address's port.
    """
    value: Any = raw
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
    found = list(VARIABLE.finditer(value)) if isinstance(value, str) else []
    return found[-1]["name"] if found else ""
