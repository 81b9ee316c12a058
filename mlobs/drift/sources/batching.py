"""Makes batches of one size from Arrow tables of any sizes.

How rows lie in files says nothing about them, so it must not be seen in a profile. Wide rows come in
smaller batches: what is in memory stays the same.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlobs._extras import require
from mlobs.drift.columns import Batch, from_arrow
from mlobs.drift.frames import BATCH_ROWS
from mlobs.drift.sources.types import cast
from mlobs.errors import DataError

CELLS_MAX = 1 << 24
ROWS_MIN = 512


def batch_rows(columns: int) -> int:
    """Return how many rows of so many columns are a batch.

    >>> batch_rows(20), batch_rows(10_000)
    (65536, 1677)
    """
    return min(BATCH_ROWS, max(CELLS_MAX // max(columns, 1), ROWS_MIN))


def batched(tables: Iterable[Any], rows: int) -> Iterator[Batch]:
    """Yield the rows of Arrow tables of one schema in batches of so many rows."""
    arrow = require("pyarrow", extra="drift", feature="Reading tables")
    waiting: list[Any] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += table.num_rows
        if count >= rows:
            whole = arrow.concat_tables(waiting)
            full = count - count % rows
            for start in range(0, full, rows):
                yield batch(whole.slice(start, rows))
            waiting, count = [whole.slice(full)], count - full
    if count:
        yield batch(arrow.concat_tables(waiting))


def batch(table: Any) -> Batch:
    """Return an Arrow table as a batch.

    Raises:
        DataError: A text is not UTF-8.
    """
    columns = {}
    for place, name in enumerate(table.column_names):
        try:
            columns[name] = from_arrow(_whole(table.column(place)))
        except UnicodeDecodeError:
            raise DataError(
                f"Column {name!r} holds bytes that are not UTF-8. Encode them, or leave it out."
            ) from None
    return Batch(table.num_rows, columns)


def fitted(arrow: Any, table: Any, schema: Any, keys: Mapping[str, str | None]) -> Any:
    """Return a table with the columns and types of a schema.

    Args:
        arrow: pyarrow.
        table: Or a record batch.
        schema: That it shall have.
        keys: Values of all rows, as texts, of columns that the table does not have. What is not among
            them either is missing.
    """
    places = {name: place for place, name in enumerate(table.schema.names)}
    columns = [
        cast(arrow, table.column(places[field.name]), field.type)
        if field.name in places
        else arrow.repeat(arrow.scalar(keys.get(field.name), arrow.string()).cast(field.type), table.num_rows)
        for field in schema
    ]
    return arrow.Table.from_arrays(columns, schema=schema)


def _whole(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
