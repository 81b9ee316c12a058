"""Runs what clients of ClickHouse's HTTP interface ask for.

Who may only read gets a read-only connection for each statement, which is checked first. Who may write, if
that is switched on at all, gets what ClickHouse would give: any statement, and sessions.
"""

import re
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mlobs.errors import QueryError, StoreError
from mlobs.server.ask.console import BYTES_MAX, LIMITS, ROWS_MAX
from mlobs.server.ask.guard import EXPLAIN, STATEMENT_CHARACTERS_MAX, tree_problem
from mlobs.server.clickhouse.allowed import (
    TABLES,
    TOKENS,
    Statement,
    parted,
    settings_of_reader,
    usable_format,
)
from mlobs.server.clickhouse.asked import Asked
from mlobs.server.clickhouse.filters import SETTING, checked
from mlobs.server.clickhouse.native import VERSION_MIN, with_heads
from mlobs.server.clickhouse.refusal import (
    ACCESS_DENIED,
    BAD_ARGUMENTS,
    SERVER_FAILED,
    SYNTAX_ERROR,
    TOO_LARGE,
    TOO_MANY,
    ClickHouseError,
)
from mlobs.server.clickhouse.sessions import Sessions
from mlobs.server.clickhouse.writing import insertion
from mlobs.server.engine import Answer, Connection, EngineError, literal
from mlobs.server.store import Store

FORM = "TabSeparated"  # What ClickHouse writes when nobody says.
READERS_MAX = 8
WAIT_SECONDS = 5.0
DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DEFAULT = "default"  # What clients say who were given no database: ours, not the engine's of that name.
ENDING = re.compile(rb"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Reply:
    """An answer, and what its headers say of it."""

    answer: Answer
    form: str
    content_type: str


class Desk:
    """Answers statements.

    Args:
        store: The tables.
        writes: Whether who may write can.
    """

    def __init__(self, store: Store, *, writes: bool) -> None:
        self._store = store
        self._writes = writes
        self._places = threading.BoundedSemaphore(READERS_MAX)
        self._sessions = Sessions(lambda: store.guest({}))
        self._formats: dict[str, str] = {}

    def answer(self, asked: Asked, *, admin: bool) -> Reply:
        """Return the answer to a statement.

        Args:
            asked: The request.
            admin: Whether whoever asks may write, if anybody may.

        Raises:
            ClickHouseError: It is refused, by us or by the engine.
        """
        try:
            return self._write(asked) if admin and self._writes else self._read(asked)
        except EngineError as error:
            raise ClickHouseError(error.code or SERVER_FAILED, str(error)) from error
        except QueryError as error:
            if isinstance(error, ClickHouseError):
                raise
            raise ClickHouseError(SERVER_FAILED, str(error)) from error
        except StoreError as error:
            raise ClickHouseError(SERVER_FAILED, str(error)) from error

    def close(self) -> None:
        """End every session."""
        self._sessions.close()

    def stop(self, asked: Asked) -> None:
        """Stop a statement that somebody no longer waits for."""
        self._store.kill(tag(asked))

    def _read(self, asked: Asked) -> Reply:
        text = _text(asked.statement)
        if len(text) > STATEMENT_CHARACTERS_MAX:
            sentence = f"The statement has {len(text):,} characters; {STATEMENT_CHARACTERS_MAX:,} are read."
            raise ClickHouseError(TOO_LARGE, sentence)
        if not self._places.acquire(timeout=WAIT_SECONDS):
            raise ClickHouseError(TOO_MANY, f"{READERS_MAX} statements run already; ask again later.")
        try:
            return self._run_as_reader(asked, text)
        finally:
            self._places.release()

    def _run_as_reader(self, asked: Asked, text: str) -> Reply:
        found = self._parted(text)
        form = usable_format(found.form or asked.form or FORM, self._known())
        limits = self._store.query(LIMITS)[0]
        most = {
            "max_execution_time": float(limits["seconds"]),
            "max_memory_usage": int(limits["bytes"]),
            "max_result_rows": ROWS_MAX,
            "max_result_bytes": BYTES_MAX,
        }
        given = {**asked.settings, **found.settings}
        filters = given.pop(SETTING, "")
        settings = settings_of_reader(given, most)
        ours = self._store.databases
        if asked.database not in {"", DEFAULT, *ours}:
            raise ClickHouseError(
                ACCESS_DENIED,
                f"The database {asked.database[:60]!r} is not asked here; {' and '.join(ours)} can be.",
            )
        filtered = {SETTING: checked(filters, self._store, TABLES)} if filters else {}
        connection = self._store.guest({"output_format_json_validate_utf8": 1, **filtered, **settings})
        try:
            tree = connection.raw(f"{EXPLAIN}{found.text}", "TabSeparatedRaw", asked.params).body.decode()
            if wrong := tree_problem(tree.split("\n"), TABLES, ours):
                raise ClickHouseError(ACCESS_DENIED, wrong)
            answer = connection.raw(f"{tag(asked)} {found.text}", form, asked.params)
        finally:
            connection.close()
        return Reply(_headed(answer, form, asked), form, self._known()[form])

    def _parted(self, text: str) -> Statement:
        rows = self._store.query(TOKENS, {"statement": text})
        return parted(
            text,
            [
                (row["kind"], bytes.fromhex(row["text"]).decode(errors="replace"), row["begin"])
                for row in rows
            ],
        )

    def _write(self, asked: Asked) -> Reply:
        form = usable_format(asked.form or FORM, self._known())
        named = ENDING.search(asked.statement[-200:])
        if asked.database and not DATABASE.fullmatch(asked.database):
            raise ClickHouseError(BAD_ARGUMENTS, f"{asked.database[:60]!r} is no database's name.")
        settings = dict(asked.settings)
        # From read-only there is no way back, so it must be the last setting of a connection of its own.
        readonly = settings.pop("readonly", "0")
        if readonly != "0":
            asked = replace(asked, session="")
        with self._sessions.lend(asked) as connection:
            if asked.database:
                connection.run(f"USE {asked.database}")
            with _changed(connection, settings, for_good=not asked.session):
                if readonly != "0":
                    connection.run(f"SET readonly = {literal(readonly)}")
                answer = _run(connection, asked, form)
        shown = named[1].decode() if named else form
        return Reply(
            _headed(answer, shown, asked), shown, self._known().get(shown, "text/plain; charset=UTF-8")
        )

    def _known(self) -> Mapping[str, str]:
        """Return the content type of every format."""
        if not self._formats:
            rows = self._store.query("SELECT name, content_type FROM system.formats WHERE is_output")
            self._formats = {row["name"]: row["content_type"] for row in rows}
        return self._formats


def tag(asked: Asked) -> str:
    """Return the comment that a statement begins with, by which it can be stopped."""
    return f"/* mlobs {asked.id} */"


def named(asked: Asked, name: str) -> Asked:
    """Return the request with another id."""
    return replace(asked, id=name)


def _headed(answer: Answer, form: str, asked: Asked) -> Answer:
    if form != "Native" or asked.protocol < VERSION_MIN:
        return answer
    return replace(answer, body=with_heads(answer.body))


def _text(statement: bytes) -> str:
    try:
        text = statement.decode()
    except UnicodeDecodeError:
        raise ClickHouseError(SYNTAX_ERROR, "The statement is not UTF-8.") from None
    if "\0" in text:
        raise ClickHouseError(SYNTAX_ERROR, "The statement has a character that is no text.")
    if not text.strip():
        raise ClickHouseError(SYNTAX_ERROR, "No statement came; send one as ?query= or as the body.")
    return text


def _run(connection: Connection, asked: Asked, form: str) -> Answer:
    inserted = insertion(asked.statement)
    if inserted is None:
        return connection.raw(asked.statement, form, asked.params)
    with tempfile.TemporaryDirectory(prefix="mlobs-") as folder:
        path = Path(folder) / "data"
        path.write_bytes(inserted.data)
        return connection.raw(inserted.reading(str(path)), form, asked.params)


@contextmanager
def _changed(connection: Connection, settings: Mapping[str, str], *, for_good: bool) -> Iterator[None]:
    """Change settings, for one statement if not for good."""
    names = [] if for_good else list(settings)
    before = {}
    if names:
        asked = "SELECT name, value, changed FROM system.settings WHERE name IN {names:Array(String)}"
        rows = connection.run(asked, {"names": f"[{', '.join(map(literal, names))}]"})
        before = {row["name"]: literal(row["value"]) if row["changed"] else "DEFAULT" for row in rows}
    try:
        for name, value in settings.items():
            connection.run(f"SET {name} = {literal(value)}")
        yield
    finally:
        for name, value in before.items():
            connection.run(f"SET {name} = {value}")
