"""Writes the spans of traces to a file: Parquet, JSON lines, or OTLP that can be sent again."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlobs.errors import SettingError, StoreError

if TYPE_CHECKING:
    from mlobs.server.client import Client

SPANS_AT_ONCE = 20_000
TRACES_AT_ONCE = 500
SPANS_MAX = 5_000_000  # Of one trace.
ENDINGS = {".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl", ".pb": "otlp", ".otlp": "otlp"}


def form_of(path: Path, given: str | None, endings: Mapping[str, str] = ENDINGS) -> str:
    """Return the format that was asked for, or the one that the file's name says.

    Raises:
        SettingError: None was asked for, and the name does not say one.
    """
    if given:
        return given
    ending = path.suffix.lower()
    if ending not in endings:
        raise SettingError(
            f"--out {path} says no format: one of {', '.join(endings)} was expected at its end. "
            "Name the file so, or choose with --format."
        )
    return endings[ending]


def export(client: "Client", traces: Sequence[dict[str, Any]], path: Path, form: str) -> int:
    """Write every span of some traces; return how many there were.

    The file appears when it is whole.

    Raises:
        StoreError: The file cannot be written.
        QueryError: The server refuses.
        ServerError: No server answers.
        MissingExtraError: Parquet was asked for, and pyarrow is not installed.
    """
    partial = path.with_name(f"{path.name}.part")
    try:
        spans = _WRITERS[form](client, traces, partial)
        partial.replace(path)
    except OSError as error:
        if isinstance(error, ConnectionError):  # Ours, of the server.
            raise
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}. Choose another with --out."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return spans


def _portions(traces: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield statements that answer with about as many spans each."""
    from mlobs.server.ask.exporting import spans_of

    ids: list[str] = []
    spans = 0
    for trace in traces:
        if ids and (spans + trace["spans"] > SPANS_AT_ONCE or len(ids) >= TRACES_AT_ONCE):
            yield spans_of(ids)
            ids, spans = [], 0
        ids.append(trace["trace_id"])
        spans += trace["spans"]
    if ids:
        yield spans_of(ids)


def _parquet(client: "Client", traces: Sequence[dict[str, Any]], path: Path) -> int:
    from mlobs._extras import require

    parquet = require("pyarrow.parquet", extra="drift", feature="Export to Parquet")
    writer, spans = None, 0
    try:
        for statement in _portions(traces):
            table = client.sql(statement, rows_max=SPANS_MAX)
            writer = writer or parquet.ParquetWriter(str(path), table.schema, compression="zstd")
            writer.write_table(table)
            spans += table.num_rows
    finally:
        if writer is not None:
            writer.close()
    return spans


def _lines(client: "Client", statement: str) -> list[bytes]:
    return client.answer(statement, form="jsonl", rows_max=SPANS_MAX).splitlines()


def _jsonl(client: "Client", traces: Sequence[dict[str, Any]], path: Path) -> int:
    spans = 0
    with path.open("wb") as file:
        for statement in _portions(traces):
            lines = _lines(client, statement)
            file.writelines(line + b"\n" for line in lines)
            spans += len(lines)
    return spans


def _otlp(client: "Client", traces: Sequence[dict[str, Any]], path: Path) -> int:
    from mlobs.server.ask.otlp import request

    spans = 0
    with path.open("wb") as file:
        for statement in _portions(traces):
            rows = [json.loads(line) for line in _lines(client, statement)]
            file.write(request(rows).SerializeToString())
            spans += len(rows)
    return spans


_WRITERS: dict[str, Callable[["Client", Sequence[dict[str, Any]], Path], int]] = {
    "parquet": _parquet,
    "jsonl": _jsonl,
    "otlp": _otlp,
}
