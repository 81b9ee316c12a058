"""Checks the addresses and the token a user gave, before anything is sent."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from mlobs.errors import SettingError

_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")


@dataclass(frozen=True, slots=True)
class Address:
    """Where something answers.

    Args:
        text: As given, without a slash at the end.
        scheme: http or https.
        host: With brackets where it is an IPv6 address.
        port: None where it is the scheme's own.
        path: Without a slash at either end; "" for none.
    """

    text: str
    scheme: str
    host: str
    port: int | None
    path: str


def read_address(text: str, *, option: str, variable: str = "") -> Address:
    """Return the parts of an address.

    Args:
        text: As given.
        option: How it was given, for the sentence.
        variable: Where else it can be given.

    Raises:
        SettingError: It is empty, or no http or https address of a host, or carries a name,
            a password, a query or a fragment.
    """
    if not text.strip():
        where = f", or in the variable {variable}" if variable else ""
        raise SettingError(
            f"The address of {option} is empty. Give it as {option} https://host{where}."
        )  # The client would go on with admin:admin at localhost.
    parts, port = _split(text.strip(), option)
    if parts.username is not None or parts.password is not None:
        raise SettingError(
            f"The address of {option} holds a name or a password, which would end in logs. "
            f"Leave them out: a token is given by itself."
        )
    if parts.query or parts.fragment:
        raise SettingError(
            f"{option} is {text!r}; an address without ? and # was expected. Give the part before them."
        )
    host = parts.hostname or ""
    path = parts.path.strip("/")
    bracketed = f"[{host}]" if ":" in host else host
    place = bracketed if port is None else f"{bracketed}:{port}"
    whole = f"{parts.scheme}://{place}/{path}".rstrip("/")
    return Address(whole, parts.scheme, bracketed, port, path)


def _split(text: str, option: str) -> tuple[SplitResult, int | None]:
    wrong = f"{option} is {text!r}; an address such as https://grafana.example.org was expected."
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise SettingError(f"{wrong} What is wrong with it: {error}.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or any(map(str.isspace, text)):
        raise SettingError(wrong)
    return parts, port


def check_folder(uid: str) -> str:
    """Return the uid of a folder.

    Raises:
        SettingError: Grafana would take no such uid.
    """
    if not _UID.fullmatch(uid):
        raise SettingError(
            f"--folder is {uid!r}; the uid of a folder was expected, 1 to 40 letters, digits, - and _. "
            f"It is in the folder's address in Grafana, after /dashboards/f/."
        )
    return uid


def check_token(token: str) -> str:
    """Return the token as it is sent.

    Raises:
        SettingError: It is empty, or cannot be sent in a header.
    """
    stripped = token.strip()
    if not stripped:
        raise SettingError(
            "The token of Grafana is empty. Give it with --token, or in the variable GRAFANA_TOKEN; "
            "a service account with the role Editor gives one out (Admin for data sources)."
        )
    if not (stripped.isascii() and stripped.isprintable()) or " " in stripped:
        raise SettingError(
            "The token of Grafana has characters that no token has, such as a space or a line break. "
            "Copy it again, in one piece."
        )
    return stripped
