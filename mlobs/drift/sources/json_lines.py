"""Reads JSON lines, block by block, each with the types that its own values have.

Texts in the form of dates and times are dates and times. A column of several types is a column of
texts, each value as it is in JSON; a field that a line does not have is missing.
"""

import io
import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from mlobs._extras import require
from mlobs.drift.sources.blocks import blocks, encoding_of, part_of
from mlobs.errors import DataError

MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")
SEVERAL_TYPES = " changed from "  # in Arrow's error


def read_json(
    path: Path, packing: str | None, columns: Sequence[str] | None, texts: Collection[str]
) -> Iterator[Any]:
    """Yield the rows as Arrow tables, whose columns and types may differ.

    Args:
        path: The file.
        packing: How it is packed; None if not.
        columns: Only these.
        texts: Columns whose values are texts, whatever they look like.

    Raises:
        DataError: A line is not a JSON object.
    """
    arrow = require("pyarrow", extra="drift", feature="Reading JSON lines files")
    first = True
    for block in blocks(path, packing, quoted=False):
        if first and (encoding := encoding_of(block)):
            raise DataError(f"{path} is in {encoding}. Save it as UTF-8.")
        table = _table(arrow, path, block.removeprefix(b"\xef\xbb\xbf") if first else block, texts)
        first = False
        wanted = [name for name in table.column_names if columns is None or name in columns]
        yield _with_moments(arrow, table.select(wanted), texts)


def _table(arrow: Any, path: Path, block: bytes, texts: Collection[str]) -> Any:
    reader = require("pyarrow.json", extra="drift", feature="Reading JSON lines files")
    given = arrow.schema([(name, arrow.string()) for name in texts]) if texts else None
    parse = reader.ParseOptions(explicit_schema=given)
    try:
        return reader.read_json(io.BytesIO(block), reader.ReadOptions(block_size=part_of(block)), parse)
    except arrow.ArrowInvalid as error:
        if SEVERAL_TYPES not in str(error):
            raise
        return _table_of_several_types(arrow, path, block, texts)


def _table_of_several_types(arrow: Any, path: Path, block: bytes, texts: Collection[str]) -> Any:
    """Return the rows of a block that has a column of several types, which Arrow does not read."""
    rows = []
    for line in block.splitlines():
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(
                    f"{path} has a line that is not JSON: {error}. Repair or remove it."
                ) from None
            if not isinstance(row, dict):
                raise DataError(
                    f"{path} has a line that is a {type(row).__name__}. Wanted: one JSON object in each line."
                )
            rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return arrow.table({n: _column(arrow, [row.get(n) for row in rows], n in texts) for n in names})


def _column(arrow: Any, values: list[Any], text: bool) -> Any:  # noqa: FBT001
    types = {bool if isinstance(value, bool) else type(value) for value in values if value is not None}
    if not text and (len(types) < 2 or types == {int, float}):
        try:
            return arrow.array(values)
        except (arrow.ArrowInvalid, arrow.ArrowTypeError, OverflowError):
            if types <= {int, float}:  # beyond 64 bits
                return arrow.array([None if value is None else float(value) for value in values])
    texts = [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values]
    return arrow.array(texts, arrow.string())


def _with_moments(arrow: Any, table: Any, texts: Collection[str]) -> Any:
    """Return a table in which times with fractions and zones are times too."""
    for place, field in enumerate(table.schema):
        if field.name in texts or not arrow.types.is_string(field.type):
            continue
        column = table.column(place)
        sample = next((value for value in column.drop_null().slice(0, 1).to_pylist()), "")
        if MOMENT.match(sample):
            for kind in (arrow.timestamp("ns"), arrow.timestamp("ns", "UTC")):
                try:
                    table = table.set_column(place, field.name, column.cast(kind))
                except arrow.ArrowInvalid:
                    continue
                break
    return table
