"""What an exporter sends along to say who it is: headers, and the token of an extension."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlobs.cli.collector.components import FORMER
from mlobs.cli.collector.reading import VARIABLE, Document, filled, map_at, parsed
from mlobs.errors import SettingError

FILE = re.compile(r"\$\{file:(.*)\}")
AUTHENTICATOR = "bearertokenauth"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is sent along.

    Args:
        headers: The headers; None where only the collector knows them.
        file: Where they, or the token, are read from; "" for the configuration itself.
        again: Whether the collector reads that file again when it changes.
        absent: Why the file with the token cannot be read, which the collector starts without; else "".
        variable: The variable that names the file, or could; "" where the configuration itself does.
        alone: Whether that file holds the token alone, not a line with a header.
    """

    headers: Mapping[str, str] | None
    file: str = ""
    again: bool = False
    absent: str = ""
    variable: str = ""
    alone: bool = False


def kind_of(name: str) -> str:
    """Return what an exporter is, by its name."""
    kind = name.split("/")[0]
    return FORMER["exporters"].get(kind, kind)


def client(name: str, exporters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an exporter sends with; one that balances the load has it further in."""
    settings = map_at(exporters, name)
    return map_at(map_at(settings, "protocol"), "otlp") if kind_of(name) == "load_balancing" else settings


def credentials(
    name: str, raw: Mapping[str, Any], document: Document, given: Mapping[str, str]
) -> Credentials:
    """Return what an exporter sends along.

    Args:
        name: The exporter.
        raw: The configuration, variables left as they are.
        document: The configuration, variables replaced.
        given: The variables.

    Raises:
        SettingError: A file that the collector takes its headers from cannot be read.
    """
    settings = client(name, map_at(document.data, "exporters"))
    told = client(name, map_at(raw, "exporters")).get("headers")
    file = named(told, given)
    headers = _headers(parsed(_text(file)) if file else settings.get("headers"))
    auth = map_at(settings, "auth")
    extension = str(auth.get("authenticator") or "")
    from_file = variable(map_at(map_at(raw, "extensions"), extension).get("filename"))
    if not extension or auth.get("enabled", True) is not True:
        if headers:
            return Credentials(headers, file, variable=variable(told))
        return Credentials(headers, variable=from_file or variable(told), alone=bool(from_file))
    if extension.split("/")[0] != AUTHENTICATOR:
        return Credentials(None)
    found = _with_token(headers, map_at(map_at(document.data, "extensions"), extension))
    return replace(found, variable=from_file, alone=True)


def named(told: Any, given: Mapping[str, str]) -> str:
    """Return the file that a value is taken from, "" for another value."""
    found = FILE.fullmatch(filled(told, given)) if isinstance(told, str) else None
    return found[1] if found else ""


def variable(told: Any) -> str:
    """Return the variable that a value comes from, "" where it stands in the configuration."""
    found = VARIABLE.search(told) if isinstance(told, str) else None
    return found["name"] if found else ""


def _with_token(headers: Mapping[str, str] | None, extension: Mapping[str, Any]) -> Credentials:
    """Return the headers and the token, which is the first word of a file, or stands in the configuration."""
    file = str(extension.get("filename") or "")
    token = extension.get("token")
    several = extension.get("tokens")
    if isinstance(several, list) and several:
        token = several[0]
    if file:
        try:
            words = Path(file).read_text(encoding="utf-8").split()
        except (OSError, ValueError) as error:
            return Credentials(None, file, again=True, absent=getattr(error, "strerror", None) or str(error))
        token = words[0] if words else ""
    if headers is None or token is None or "${" in str(token):
        return Credentials(None, file, again=True)
    scheme = str(extension.get("scheme", "Bearer") or "")
    header = str(extension.get("header") or "Authorization")
    return Credentials({**headers, header: f"{scheme} {token}".strip()}, file, again=True)


def _headers(told: Any) -> dict[str, str] | None:
    """Return headers written as a map or as a list of names and values; None where one is not known."""
    if told is None or told == "":
        return {}
    if isinstance(told, list):
        told = {one.get("name"): one.get("value") for one in told if isinstance(one, dict)}
    if not isinstance(told, dict):
        return None
    known = all(value is not None and "${" not in str(value) for value in told.values())
    return {str(key): str(value) for key, value in told.items()} if known else None


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f"The file {file!r} cannot be read, and the collector takes its headers from it: {error}. "
            f"Name one that it can read."
        ) from None
