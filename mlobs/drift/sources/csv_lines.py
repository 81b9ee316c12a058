"""Reads CSV, block by block, each with the types that its own values have.

So that the rows give the profile which the same rows in Parquet give: an empty field is missing;
among numbers, dates and booleans so are NA, NaN, null and their like, but a text NA stays a text.
What CSV cannot tell stays different: texts of digits alone are numbers (01234 is 1234), texts in the
form of dates are dates, and an empty text is missing.
"""

import io
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from mlobs._extras import require
from mlobs.drift.sources.blocks import blocks, encoding_of, part_of
from mlobs.errors import DataError

SEPARATORS = ",", ";", "\t"
HEADER_BYTES = 1 << 20


def read_csv(
    path: Path, packing: str | None, columns: Sequence[str] | None, texts: Collection[str]
) -> Iterator[Any]:
    """Yield the rows as Arrow tables, whose types may differ.

    Args:
        path: The file.
        packing: How it is packed; None if not.
        columns: Only these.
        texts: Columns whose values are texts, whatever they look like.

    Raises:
        DataError: The text is not UTF-8.
    """
    csv = require("pyarrow.csv", extra="drift", feature="Reading CSV files")
    arrow = require("pyarrow", extra="drift", feature="Reading CSV files")
    compute = require("pyarrow.compute", extra="drift", feature="Reading CSV files")
    names: list[str] = []
    chosen = None if columns is None else frozenset(columns)
    for block in blocks(path, packing, quoted=True):
        head = csv.ReadOptions(column_names=names, skip_rows=0 if names else 1, block_size=part_of(block))
        if not names:
            names, parse = _names(csv, path, block)
            head.column_names = names
        wanted = [name for name in names if chosen is None or name in chosen]
        convert = csv.ConvertOptions(
            include_columns=wanted, column_types={n: arrow.string() for n in set(texts).intersection(names)}
        )
        table = csv.read_csv(io.BytesIO(block), head, parse, convert)
        yield _with_missing_texts(arrow, compute, path, table)


def names_of(path: Path, packing: str | None) -> list[str]:
    """Return the names of a file's columns.

    Raises:
        DataError: The text is not UTF-8, or there is none.
    """
    csv = require("pyarrow.csv", extra="drift", feature="Reading CSV files")
    for block in blocks(path, packing, quoted=True, size=HEADER_BYTES):
        return _names(csv, path, block)[0]
    raise DataError(f"{path} is empty. Wanted: a csv file with at least one row.")


def _names(csv: Any, path: Path, block: bytes) -> tuple[list[str], Any]:
    """Return the names in the first line, and how it and all other lines are to be parsed."""
    if encoding := encoding_of(block):
        raise DataError(f"{path} is in {encoding}. Save it as UTF-8.")
    parse = csv.ParseOptions(delimiter=separator(block), newlines_in_values=True)
    first = csv.ReadOptions(block_size=max(len(block), 1))
    try:
        names = list(csv.open_csv(io.BytesIO(block), first, parse).schema.names)
    except UnicodeDecodeError:
        raise DataError(
            f"The first line of {path} holds bytes that are not UTF-8. Save it as UTF-8."
        ) from None
    # A missing value of the only column is an empty line.
    return names, csv.ParseOptions(
        delimiter=parse.delimiter, newlines_in_values=True, ignore_empty_lines=len(names) > 1
    )


def separator(block: bytes) -> str:
    """Return what separates the names in the first line: a comma unless it has none.

    >>> separator(b"a;b"), separator(b"a,b;c"), separator(b"a")
    (';', ',', ',')
    """
    line = block.lstrip().partition(b"\n")[0].decode("utf-8", "replace")
    return next((sign for sign in SEPARATORS if sign in line), ",")


def _with_missing_texts(arrow: Any, compute: Any, path: Path, table: Any) -> Any:
    """Return a table in which empty texts are missing."""
    for place, field in enumerate(table.schema):
        if arrow.types.is_binary(field.type):
            raise DataError(f"Column {field.name!r} of {path} holds bytes that are not UTF-8. Save it so.")
        if arrow.types.is_string(field.type):
            column = table.column(place)
            missing = compute.equal(compute.binary_length(column), 0)
            if compute.any(missing).as_py():
                filled = compute.if_else(missing, arrow.scalar(None, arrow.string()), column)
                table = table.set_column(place, field, filled)
    return table
