"""One request of ClickHouse's HTTP interface, as it was sent."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP

from mlobs.server.clickhouse.refusal import BAD_ARGUMENTS, NOT_IMPLEMENTED, ClickHouseError

# Parameters that are no settings. Those without a meaning here change how a server sends, not what.
OURS = frozenset({
    "close_session", "database", "default_format", "query", "query_id", "session_check", "session_id",
    "session_timeout",
})  # fmt: skip
WITHOUT_MEANING = frozenset({
    "add_http_cors_header", "buffer_size", "cancel_http_readonly_queries_on_client_close",
    "client_protocol_version", "compress", "decompress", "enable_http_compression",
    "http_headers_progress_interval_ms", "http_zlib_compression_level", "log_queries", "password",
    "quota_key", "role", "send_progress_in_http_headers", "stacktrace", "user", "wait_end_of_query",
})  # fmt: skip
PARAMETER = "param_"
SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
SECONDS_DEFAULT, SECONDS_MAX = 60, 3600
NUMBER = re.compile(r"[0-9]{1,10}")  # More digits are refused before they are read.
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # Goes into a header of the answer.


@dataclass(frozen=True)
class Asked:
    """What is to be done.

    Attributes:
        statement: SQL, and behind it the data that belongs to it.
        database: Where names without a database are looked up; "" for the usual one.
        form: The format of the answer unless the statement names one; "" for the usual one.
        params: Values of placeholders, as the engine reads them.
        settings: Of the engine, as text.
        session: Names the session, "" for none.
        session_seconds: How long an idle session is kept.
        session_known: Whether it must be open already.
        session_ends: Whether it ends with this request.
        id: Names the statement.
        protocol: The version of ClickHouse's protocol that the client speaks; 0 if it does not say.
    """

    statement: bytes
    database: str = ""
    form: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    session: str = ""
    session_seconds: int = SECONDS_DEFAULT
    session_known: bool = False
    session_ends: bool = False
    id: str = ""
    protocol: int = 0


def read(
    query: Iterable[tuple[str, str]], headers: Mapping[str, str], body: bytes, content_type: str = ""
) -> Asked:
    """Return what a request asks for.

    Args:
        query: The parameters of the address.
        headers: Their names in small letters.
        body: Without its compression.
        content_type: Of the body; a form's fields count as parameters.

    Raises:
        ClickHouseError: It cannot be understood.
    """
    given = {"default_format": headers.get("x-clickhouse-format", ""), **dict(query)}
    database = headers.get("x-clickhouse-database", "")
    if content_type.lower().startswith("multipart/form-data"):
        given |= _fields(body, content_type)
        body = b""
    for name, what in (("compress", "answers"), ("decompress", "bodies")):
        if given.get(name, "0") not in {"0", ""}:
            raise ClickHouseError(
                NOT_IMPLEMENTED,
                f"{name}={given[name][:20]} came: {what} in ClickHouse's own blocks are not spoken here. "
                f"Leave it out and compress with gzip or zstd, as HTTP does.",
            )
    for name, value in given.items():
        if name != "query" and not _is_text(value):
            raise ClickHouseError(
                BAD_ARGUMENTS, f"{name[:60]!a} came with bytes that are no text. Send it as UTF-8."
            )
    head = given.get("query", "").encode(errors="surrogateescape")
    settings = {
        name: value
        for name, value in given.items()
        if name not in OURS and name not in WITHOUT_MEANING and not name.startswith(PARAMETER)
    }
    for name in settings:
        if not SETTING.fullmatch(name):
            raise ClickHouseError(BAD_ARGUMENTS, f"{name[:60]!r} came, which is no name of a setting.")
    return Asked(
        statement=head + b"\n" + body if head and body else head or body,
        database=given.get("database") or database,
        form=given.get("default_format", ""),
        params={
            name.removeprefix(PARAMETER): value for name, value in given.items() if name.startswith(PARAMETER)
        },
        settings=settings,
        session=given.get("session_id", ""),
        session_seconds=_seconds(given.get("session_timeout", "")),
        session_known=given.get("session_check") == "1",
        session_ends=given.get("close_session") == "1",
        id=checked_id(given.get("query_id", "")),
        protocol=_protocol(given.get("client_protocol_version", "")),
    )


def checked_id(text: str) -> str:
    """Return the id of a statement, "" for none, if it can be said again in a header.

    Raises:
        ClickHouseError: It cannot.
    """
    if text and not ID.fullmatch(text):
        raise ClickHouseError(
            BAD_ARGUMENTS,
            f"query_id={text[:20]!r} came; 1 to 64 letters, digits, _ and - were expected. Take another id, "
            f"or leave it out.",
        )
    return text


def _is_text(value: str) -> bool:
    return not any("\ud800" <= one <= "\udfff" for one in value)


def _protocol(text: str) -> int:
    if not text:
        return 0
    if not NUMBER.fullmatch(text):
        raise ClickHouseError(
            BAD_ARGUMENTS,
            f"client_protocol_version={text[:20]!r} came; a number of at most 10 digits was expected.",
        )
    return int(text)


def _seconds(text: str) -> int:
    if not text:
        return SECONDS_DEFAULT
    if not NUMBER.fullmatch(text) or not 0 < int(text) <= SECONDS_MAX:
        raise ClickHouseError(
            BAD_ARGUMENTS, f"session_timeout={text[:20]!r} came; 1 to {SECONDS_MAX} seconds were expected."
        )
    return int(text)


def _fields(body: bytes, content_type: str) -> dict[str, str]:
    """Return the fields of a form."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", errors="replace")
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    found: dict[str, str] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() is not None:
            raise ClickHouseError(
                NOT_IMPLEMENTED, "A file came: tables beside a statement are not taken here."
            )
        value = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(value, bytes):
            raise ClickHouseError(BAD_ARGUMENTS, "A form came with a field that has no name or no value.")
        found[name] = value.decode(errors="surrogateescape")
    if not found:
        raise ClickHouseError(BAD_ARGUMENTS, "A form came without a field; the field 'query' was expected.")
    return found
