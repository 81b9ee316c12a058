"""Runs users' SQL on the embedded engine: checked, within limits, in the format they want, and cancellable.

Each statement has a connection of its own, which costs a millisecond and so can have limits of its own. The
engine gives statements no id of ours, so a comment at the front of the statement is its name.
"""

import difflib
import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlobs.errors import QueryError, ServerError
from mlobs.server.ask.guard import EXPLAIN, STATEMENT_CHARACTERS_MAX, TOKENIZE, tokens_problem, tree_problem
from mlobs.server.engine import EngineError
from mlobs.server.store import Store

FORMATS: Mapping[str, tuple[str, str]] = {
    "json": ("JSON", "application/json"),
    "jsonl": ("JSONEachRow", "application/x-ndjson"),
    "csv": ("CSVWithNames", "text/csv; charset=utf-8"),
    "arrow": ("ArrowStream", "application/vnd.apache.arrow.stream"),
    "parquet": ("Parquet", "application/vnd.apache.parquet"),
}
ROWS_MAX_DEFAULT, ROWS_MAX = 100_000, 5_000_000
BYTES_MAX = 512 << 20
SECONDS_MIN = 0.001  # The engine takes much less for none, and none for no limit.
RUNNING_MAX = 4
WAIT_SECONDS = 5.0
KILL_TRIES, KILL_PAUSE_SECONDS = 20, 0.1
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
CANCELLED, TOO_SLOW, TOO_MANY, TOO_LARGE, UNKNOWN_TABLE = 394, 159, 396, 241, 60
TABLES = (
    "otel_traces", "otel_logs", "otel_metrics_gauge", "otel_metrics_sum", "otel_metrics_histogram",
    "otel_metrics_exponential_histogram", "otel_metrics_summary", "scores", "predictions", "events",
)  # fmt: skip
OTHER_NAMES = {"span": "otel_traces", "metric": "otel_metrics_sum", "feedback": "scores"}
_TABLE = re.compile(r"identifier '([^']+)'|[Tt]able [`']?([\w.]+)[`']? (?:does|not)")
LIMITS = "SELECT getSetting('max_execution_time') AS seconds, getSetting('max_memory_usage') AS bytes"


@dataclass(frozen=True, slots=True)
class Query:
    """One statement and its limits.

    Attributes:
        statement: SQL.
        form: A key of FORMATS.
        id: Names it for `cancel`; a new one if empty.
        rows_max: An answer with more is refused, never cut.
        seconds_max: Of time; the server's own limit if that is less.
    """

    statement: str
    form: str = "json"
    id: str = ""
    rows_max: int = ROWS_MAX_DEFAULT
    seconds_max: float = float("inf")


class Console:
    """Runs statements beside everything else, a few at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._places = threading.BoundedSemaphore(RUNNING_MAX)
        self._running: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def run(self, query: Query) -> bytes:
        """Return the answer in the format that was asked for.

        Raises:
            QueryError: The statement is refused, wrong, over a limit, or was cancelled.
            ServerError: Too many statements run already.
        """
        self._check(query.statement)
        name = query.id or uuid.uuid4().hex
        if not self._places.acquire(timeout=WAIT_SECONDS):
            raise ServerError(f"{RUNNING_MAX} statements run already; cancel one, or ask again later.")
        ended = threading.Event()
        try:
            with self._lock:
                if name in self._running:
                    raise QueryError(f"A statement with the id {name!r} runs already; take another id.")
                self._running[name] = ended
            try:
                return self._answer(name, query)
            finally:
                with self._lock:
                    del self._running[name]
                ended.set()
        finally:
            self._places.release()

    def cancel(self, name: str) -> bool:
        """Stop a statement; return whether it ran. Returns when it has ended, or after two seconds."""
        with self._lock:
            ended = self._running.get(name)
        if ended is None or not ID.fullmatch(name):
            return False
        for _ in range(KILL_TRIES):  # It may not have reached the engine yet.
            self._store.kill(_tag(name))
            if ended.wait(KILL_PAUSE_SECONDS):
                break
        return True

    def _check(self, statement: str) -> None:
        """Refuse what is not one statement that only reads."""
        if len(statement) > STATEMENT_CHARACTERS_MAX:
            raise QueryError(
                f"The statement has {len(statement):,} characters; "
                f"at most {STATEMENT_CHARACTERS_MAX:,} are read."
            )
        if "\0" in statement or (not statement.isascii() and not _encodes(statement)):
            raise QueryError("The statement has characters that are no text.")
        try:
            rows = self._store.query(TOKENIZE, {"statement": statement})
            wrong = tokens_problem([(row["kind"], row["text"]) for row in rows])
            if not wrong:
                tree = self._store.query(f"{EXPLAIN}{statement}")
                lines = [line for row in tree for line in row["explain"].split("\n")]
                wrong = tree_problem(lines, databases=self._store.databases)
        except QueryError as error:
            reason = str(error).removeprefix("The question cannot be answered: ")
            raise QueryError(f"The statement cannot be read: {reason}") from error
        if wrong:
            raise QueryError(wrong)

    def _answer(self, name: str, query: Query) -> bytes:
        limits = self._store.query(LIMITS)[0]
        seconds = max(SECONDS_MIN, min(query.seconds_max, float(limits["seconds"]) or query.seconds_max))
        settings: Mapping[str, Any] = {
            "max_memory_usage": int(limits["bytes"]),
            "max_execution_time": seconds,
            "max_result_rows": query.rows_max,
            "max_result_bytes": BYTES_MAX,
            "output_format_json_validate_utf8": 1,
            "date_time_output_format": "iso",
            "readonly": 1,
        }
        connection = self._store.guest(settings)
        try:
            return connection.raw(f"{_tag(name)} {query.statement}", FORMATS[query.form][0]).body
        except EngineError as error:
            raise _refusal(error, query, seconds) from error
        finally:
            connection.close()


def _tag(name: str) -> str:
    return f"/* mlobs {name} */"


def _refusal(error: EngineError, query: Query, seconds: float) -> QueryError:
    sentences = {
        CANCELLED: "The statement was cancelled.",
        TOO_SLOW: f"The statement took longer than {seconds:g} s. Narrow the time, or raise the limit.",
        TOO_MANY: f"The answer has more than {query.rows_max:,} rows. Add a LIMIT, or raise rows_max.",
        TOO_LARGE: "The statement needs more memory than one may have. Narrow the time, or group by less.",
    }
    if error.code == UNKNOWN_TABLE:
        return QueryError(unknown_table(str(error)))
    return QueryError(sentences.get(error.code, f"The statement cannot be run: {error}"))


def unknown_table(said: str) -> str:
    """Return the sentence for a table that is not there, from what the engine said.

    >>> unknown_table("Unknown table expression identifier 'traces' in scope")[:52]
    "There is no table 'traces'; did you mean otel_traces"
    """
    found = _TABLE.search(said)
    name = "" if found is None else (found[1] or found[2])
    word = name.rpartition(".")[2].lower()
    near = difflib.get_close_matches(word, TABLES, n=1, cutoff=0.5)
    meant = OTHER_NAMES.get(word.removesuffix("s")) or (near[0] if near else "otel_traces")
    came = f"There is no table {name[:60]!r}" if name else "There is no such table"
    return f"{came}; did you mean {meant}? There are {', '.join(TABLES)}; SHOW TABLES lists all."


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
