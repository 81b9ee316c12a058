"""One connection to the embedded ClickHouse engine, and what it says when it refuses.

Statements on one connection run one after the other; several connections of one process run beside
each other. One process holds one folder at a time; close every connection to open another.
"""

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from mlobs.errors import StoreError

Value = str | int | float
TIMED_OUT = (
    "Code: 159. DB::Exception: Timeout exceeded: elapsed {took:.3g} s, "
    "maximum: {most:g} s. (TIMEOUT_EXCEEDED)"
)


class EngineError(StoreError):
    """The engine refused a statement. `code` is ClickHouse's number for the reason, 0 if unknown."""

    def __init__(self, message: str) -> None:
        found = re.search(r"Code: (\d+)", message)
        self.code = int(found[1]) if found else 0
        super().__init__(_shortened(message))


@dataclass(frozen=True)
class Answer:
    """What a statement returned, in the format that was asked for."""

    body: bytes
    read_rows: int = 0
    read_bytes: int = 0
    seconds: float = 0.0


class Connection:
    """One connection; statements on it run one after the other.

    Attributes:
        seconds_max: How long a statement may take. It is the engine that stops one that takes longer, but
            sometimes it then says nothing, and answers with nothing or a part: an answer that took longer
            is none.
    """

    far = False  # Whether the engine is on another machine, and cannot read files of this one.

    def __init__(self, engine: Any, folder: Path) -> None:
        try:
            self._connection: Any = engine.connect(str(folder))
        except RuntimeError as error:
            raise StoreError(f"The store in {folder} cannot be opened: {_shortened(str(error))}") from error
        self._lock = threading.Lock()
        self.seconds_max = float("inf")

    def run(self, statement: str, params: Mapping[str, Value] | None = None) -> list[dict[str, Any]]:
        """Run one statement and return its rows.

        Raises:
            EngineError: The engine refused it.
        """
        lines = self.raw(statement, "JSONEachRow", bound(params)).body
        return [orjson.loads(line) for line in lines.splitlines()] if lines else []

    def raw(self, statement: str | bytes, form: str, params: Mapping[str, str] | None = None) -> Answer:
        """Run one statement, which may have data behind it, and return its answer as it is.

        Args:
            statement: SQL; bytes when data follows.
            form: What the engine calls the format of the answer, unless the statement says another.
            params: Already written as the engine reads them.

        Raises:
            EngineError: The engine refused it, it took too long, or the connection is closed.
        """
        with self._lock:
            if self._connection is None:  # The library would read what is no longer there, and crash.
                raise EngineError("The store is closed.")
            began = time.monotonic()
            try:
                answer = self._connection.query(statement, form, params=dict(params or {}))
            except (RuntimeError, UnicodeDecodeError) as error:
                raise EngineError(str(error)) from error
            took = time.monotonic() - began
            if took > self.seconds_max:
                raise EngineError(TIMED_OUT.format(took=took, most=self.seconds_max))
            if answer is None:
                return Answer(b"")
            return Answer(
                answer.bytes(), answer.storage_rows_read(), answer.storage_bytes_read(), answer.elapsed()
            )

    def change(self, settings: Mapping[str, Value]) -> None:
        """Change settings, all of them or none; with `readonly` they are the last that can be changed.

        Raises:
            EngineError: The engine refused one.
        """
        self.run(f"SET {', '.join(f'{name} = {literal(value)}' for name, value in settings.items())}")
        self.seconds_max = float(settings.get("max_execution_time") or "inf")

    def send(self, statement: str, data: bytes) -> None:
        """Run an INSERT that ends in FORMAT, with the data that belongs to it.

        Raises:
            EngineError: The engine refused it.
        """
        self.raw(statement.encode() + b"\n" + data, "Null")

    def adapted(self, statement: str) -> str:
        """Return a statement of `schema/*.sql` as this engine needs it."""
        return statement

    def token(self, segment: str) -> str:
        """Return what a segment is recognised by when it is inserted again."""
        return segment

    def close(self) -> None:
        """Give the connection up, after the statement that runs."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()


def literal(value: Value) -> str:
    """Return a value as SQL has it."""
    if not isinstance(value, str):
        return str(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def bound(params: Mapping[str, Value] | None) -> dict[str, str]:
    """Return parameters as the engine reads them: texts with their control characters escaped."""
    return {name: _bound(value) for name, value in (params or {}).items()}


def _bound(value: Value) -> str:
    if not isinstance(value, str):
        return str(value)
    for plain, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0")):
        value = value.replace(plain, escaped)
    return value


def _shortened(message: str) -> str:
    """Return the engine's reason without its version and repetitions."""
    reason = message.rpartition("DB::Exception: ")[2] or message
    return reason.partition(" (version ")[0].strip()[:500]
