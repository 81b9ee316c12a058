"""Reads the rows of a ClickHouse query, from a ClickHouse or from an mlobs server.

The query runs once, and its rows are kept in a temporary file. That is not for speed: a profile takes
two passes, which part the rows into halves by their numbers, and a query may give its rows in another
order each time. With different rows under the same numbers the bins would be chosen by some of the
rows that are counted, and others would be in neither half.
"""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from mlobs._clickhouse import SCHEME, Place, parts
from mlobs._extras import require
from mlobs._listening import host_and_port
from mlobs.drift.columns import Batch
from mlobs.drift.frames import refuse_duplicates
from mlobs.drift.sources.batching import batch_rows, batched
from mlobs.drift.sources.spool import Spool
from mlobs.errors import DataError, ServerError, SettingError
from mlobs.settings import ClientSettings, load

SHAPE = "clickhouse://user:password@host:8123/database, or an mlobs server's http://host:4318,"
CONNECT_SECONDS_MAX = 10
ANSWER_SECONDS_MAX = 3600  # between two pieces of the answer
CLIENT = "mlobs"
REASON = re.compile(r"DB::Exception: (.*?)\.?(?: \([A-Z_0-9]+\))?(?: \(for url .*)?$", re.DOTALL)
PLACE = re.compile(r" at position \d+| \(line \d+, col \d+\)| \)$")  # in our statement around the user's
CAUSE = re.compile(r"\[Errno -?\d+\] ([^'\"()]+)")
WRAPPED = re.compile(r"(?:LowCardinality|Nullable)\((.*)\)", re.DOTALL)
# What the Arrow format has no type for, or one that says something else (a time is a number there).
READ_AS = (
    (re.compile(r"Date"), "toDate32({})"),
    (re.compile(r"DateTime(\(.*\))?"), "toDateTime64({}, 0, 'UTC')"),
    (re.compile(r"(Enum(8|16)|FixedString)\(.*\)|UUID|IPv[46]", re.DOTALL), "toString({})"),
    (re.compile(r"(Variant|Dynamic|JSON)(\(.*\))?", re.DOTALL), "toString({})"),
    (re.compile(r"U?Int(128|256)|BFloat16"), "toFloat64({})"),
    (re.compile(r"Interval.*"), "toInt64({})"),
    (re.compile(r"Nothing"), "CAST(NULL, 'Nullable(String)')"),
)


@dataclass(frozen=True)
class Address(Place):
    """Where a query runs.

    Attributes:
        path: Where an mlobs server answers as a ClickHouse; "" for a ClickHouse.
    """

    path: str = ""

    def __str__(self) -> str:
        """Return it without what is secret."""
        return f"{self.host}:{self.port}/{self.path or self.database}"


class Query:
    """The rows of a SELECT.

    Args:
        url: Of a ClickHouse, clickhouse://user:password@host:8123/database (options: secure=1, verify=0,
            ca=FILE), or of an mlobs server, http://host:4318, which is asked at /clickhouse/. The server
            of MLOBS_SERVER with the token of MLOBS_TOKEN if None.
        sql: The statement.
        columns: Only these.
        progress: Called with the number of rows of each batch that was read.

    Raises:
        SettingError: The address is none.
        MissingExtraError: The client is not installed.
        ServerError: Nobody answers there.
        DataError: The query is refused, or gives two columns of one name.
    """

    yields_batches = True

    def __init__(
        self,
        url: str | None,
        sql: str,
        *,
        columns: Sequence[str] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self.address = address(url)
        self._driver = require("clickhouse_connect", extra="clickhouse", feature="Reading a query")
        self._arrow = require("pyarrow", extra="drift", feature="Reading a query")
        logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)  # it warns of what it raises as well
        self._sql = sql.strip().rstrip(";").rstrip()
        self._columns = columns
        self._progress = progress
        self._spool: Spool | None = None
        self._types = self._described()

    @property
    def rows(self) -> int | None:
        """Return how many rows there are, or None while they were not read."""
        return None if self._spool is None else self._spool.rows

    def __iter__(self) -> Iterator[Batch]:
        if self._spool is None:
            self._spool = self._read()
        for batch in batched(self._spool, batch_rows(len(self._types))):
            yield batch
            self._tell(batch.rows)

    def _described(self) -> dict[str, str]:
        """Ask for the names and types of the columns, which also checks the statement."""
        client = self._connected()
        try:
            found = client.query(f"DESCRIBE TABLE (\n{self._sql}\n)").result_rows
        except self._driver.driver.exceptions.Error as error:
            raise self._refused(error) from None
        finally:
            client.close()
        refuse_duplicates([row[0] for row in found], "The query")
        types = {row[0]: row[1] for row in found}
        if self._columns is None or not set(self._columns) <= set(types):
            return types  # all, so that an error can name them
        return {name: kind for name, kind in types.items() if name in self._columns}

    def _read(self) -> Spool:
        driver = self._driver.driver.exceptions
        broken = require("urllib3.exceptions", extra="clickhouse", feature="Reading a query").HTTPError
        spool = Spool("the query")
        client = self._connected()
        try:
            with client.query_arrow_stream(selected(self._sql, self._types), use_strings=True) as stream:
                for table in stream:
                    spool.add(table)
                    self._tell(table.num_rows)
        except driver.Error as error:
            raise self._refused(error) from None
        except (self._arrow.ArrowException, broken, OSError) as error:
            raise DataError(
                f"The answer of {self.address} broke off after {spool.rows} rows: {str(error).rstrip('.')}. "
                f"Ask again, or for less."
            ) from None
        finally:
            client.close()
        spool.finish()
        return spool

    def _connected(self) -> Any:
        try:
            return self._driver.get_client(
                **self.address.for_client(),
                database=self.address.database or "__default__",
                proxy_path=self.address.path,
                connect_timeout=CONNECT_SECONDS_MAX,
                send_receive_timeout=ANSWER_SECONDS_MAX,
                query_retries=0,
                autogenerate_session_id=False,
                client_name=CLIENT,
            )
        except self._driver.driver.exceptions.Error as error:
            raise self._refused(error) from None

    def _refused(self, error: Exception) -> DataError | ServerError:
        text = str(error)
        if reason := REASON.search(text):
            why = PLACE.sub("", " ".join(reason[1].split()).partition(" . Expected ")[0])
            return DataError(f"{self.address} refuses the query: {why}. Wanted: one SELECT that runs there.")
        found = CAUSE.search(text)
        return ServerError(
            f"No ClickHouse answers at {self.address}: {found[1] if found else text.strip().rstrip('.')}. "
            f"Wanted: {SHAPE} that runs."
        )

    def _tell(self, rows: int) -> None:
        if self._progress is not None:
            self._progress(rows)


def address(url: str | None) -> Address:
    """Return where a query runs.

    >>> address("clickhouse://ana:secret@db/sales?secure=1")
    Address(host='db', port=8443, user='ana', database='sales', secure=True, verify=True, ca='', path='')

    Raises:
        SettingError: It cannot be used. The sentence has neither the password nor the user in it.
    """
    if url and url.startswith(f"{SCHEME}:"):
        try:
            return Address(**parts(url)[0])
        except ValueError as error:
            raise SettingError(
                f"The address of the query cannot be used: {error}. {SHAPE} was expected."
            ) from None
    settings = load(ClientSettings, server=url)
    there = urlsplit(settings.server)
    host, port = host_and_port(settings.server)
    return Address(
        host=host,
        port=port,
        user=unquote(there.username or "default"),
        password=unquote(there.password or "") or settings.token.get_secret_value(),
        database="mlobs",
        path=f"{there.path.strip('/')}/clickhouse/".lstrip("/"),
        secure=there.scheme == "https",
        ca=str(settings.certificate or ""),
    )


def selected(sql: str, types: dict[str, str]) -> str:
    """Return a statement that gives the columns of another in types that the Arrow format has.

    >>> print(selected("SELECT d, x FROM t", {"d": "Nullable(Date)", "x": "Float32"}))
    SELECT toDate32(`d`) AS `d`, `x` FROM (
    SELECT d, x FROM t
    )
    """
    return f"SELECT {', '.join(_read_as(*item) for item in types.items())} FROM (\n{sql}\n)"


def _read_as(name: str, kind: str) -> str:
    while wrapped := WRAPPED.fullmatch(kind):
        kind = wrapped[1]
    quoted = "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
    for pattern, expression in READ_AS:
        if pattern.fullmatch(kind):
            return f"{expression.format(quoted)} AS {quoted}"
    return quoted
