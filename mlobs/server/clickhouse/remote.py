"""One connection to a ClickHouse elsewhere, over HTTP: a session there, so that temporary tables work.

When it cannot be reached the session is given up, with whatever temporary tables it had, and the statement
fails with the number for that; who sent it tries again. What an INSERT did before the connection broke is not
known then, which is why inserts carry what they are recognised by.
"""

import logging
import re
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from mlobs._extras import require
from mlobs.server.clickhouse.address import Address
from mlobs.server.clickhouse.definitions import adapted
from mlobs.server.clickhouse.refusal import NETWORK
from mlobs.server.engine import Answer, Connection, EngineError, Value, literal

CONNECT_SECONDS = 10
SESSION_SECONDS = 300
UNKNOWN_SESSION = 372
CLIENT = "mlobs"
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
FIELD_CHARACTERS_MAX = 16_384  # Of a parameter; a server refuses 128 KiB, and 1 MiB of all together.
CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "0": "\0", "b": "\b", "f": "\f"}


class Remote(Connection):
    """A connection with the interface of the embedded engine's.

    Args:
        address: Where.
        database: That names without one are looked up in; None for the user's own.
        settings: Of every statement.
        seconds_max: That one statement may take.
        session: Whether temporary tables and SET outlive a statement.
        name: Of this server, put before the names of segments.
    """

    far = True

    def __init__(
        self,
        address: Address,
        database: str | None,
        settings: Mapping[str, Value],
        *,
        seconds_max: float,
        session: bool = False,
        name: str = "",
    ) -> None:
        self._driver = require("clickhouse_connect", extra="clickhouse", feature="MLOBS_STORE")
        # It warns of what is raised as well.
        logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)
        self._address = address
        self._database = database
        self._settings = dict(settings)
        self._seconds_max = seconds_max
        self._session = session
        self._name = name
        self._lock = threading.Lock()
        self._client: Any = None

    def raw(self, statement: str | bytes, form: str, params: Mapping[str, str] | None = None) -> Answer:
        """Run one statement; see `engine.Connection.raw`.

        Raises:
            EngineError: The server refused it, or cannot be reached.
        """
        with self._lock:
            return Answer(self._tried(lambda client: _ask(client, statement, form, params or {})))

    def send(self, statement: str, data: bytes) -> None:
        """Run an INSERT that ends in FORMAT, with the data that belongs to it; never twice.

        Raises:
            EngineError: The server refused it, or cannot be reached.
        """
        with self._lock:
            # Not raw_insert, which sends again when the connection breaks.
            self._tried(lambda client: client.command(statement, data=data))

    def adapted(self, statement: str) -> str:
        """Return a statement that defines something as this server needs it."""
        return adapted(statement, self._address.cluster)

    def token(self, segment: str) -> str:
        """Return what a segment is recognised by: others have segments of the same name."""
        return f"{self._name}-{segment}" if self._name else segment

    def close(self) -> None:
        """End the session."""
        with self._lock:
            self._forget()

    def _tried(self, ask: Callable[[Any], Any]) -> Any:
        errors = self._driver.driver.exceptions
        try:
            if self._client is None:
                self._client = self._connected()
            return ask(self._client)
        except errors.Error as error:
            # Without a number it is no answer of ClickHouse's: nobody answered, or something in between did.
            code = error.code or (0 if isinstance(error, errors.ProgrammingError) else NETWORK)
            if code in {NETWORK, UNKNOWN_SESSION}:
                self._forget()
            raise _refusal(error, code, self._address) from error

    def _connected(self) -> Any:
        return self._driver.get_client(
            **self._address.for_client(),
            database=self._database or "__default__",
            connect_timeout=CONNECT_SECONDS,
            send_receive_timeout=self._seconds_max + CONNECT_SECONDS,
            query_retries=0,
            session_id=str(uuid.uuid4()) if self._session else None,
            autogenerate_session_id=False,
            settings={**({"session_timeout": SESSION_SECONDS} if self._session else {}), **self._settings},
            client_name=CLIENT,
            compress=False,
        )

    def _forget(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def _ask(client: Any, statement: str | bytes, form: str, params: Mapping[str, str]) -> bytes:
    text = statement if isinstance(statement, str) else statement.decode()
    # The client takes values that no placeholder names for those of another notation.
    named = {name: _plain(value) for name, value in params.items() if f"{{{name}:" in text}
    for name, value in list(named.items()):
        if value is not None and len(value) > FIELD_CHARACTERS_MAX:
            text = with_value(text, name, value)
            del named[name]
    body: bytes = client.raw_query(
        text, parameters=named or None, transport_settings={"X-ClickHouse-Format": form}
    )
    return body


def with_value(text: str, name: str, value: str) -> str:
    """Return a statement with the value of a placeholder in it.

    >>> with_value("SELECT {a:Array(UInt8)}", "a", "[1, 2]")
    "SELECT CAST('[1, 2]', 'Array(UInt8)')"
    """
    written = literal(value).replace("\0", "\\0")
    return re.sub(rf"\{{{name}:([^{{}}]*)\}}", lambda found: f"CAST({written}, {literal(found[1])})", text)


def _plain(value: str) -> str | None:
    """Return a parameter without the escapes of `engine.bound`, which the client makes itself."""
    if value == "\\N":
        return None
    return ESCAPED.sub(lambda found: CONTROLS.get(found[1], found[1]), value)


def _refusal(error: Exception, code: int, address: Address) -> EngineError:
    if code == NETWORK:
        refusal = EngineError(f"{address} does not answer: {error}")
    else:
        refusal = EngineError(str(error))
    refusal.code = code
    return refusal
