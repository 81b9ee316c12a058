"""Where rows come from that are not in memory: files, a ClickHouse query, a Spark DataFrame.

A source yields batches, as often as one asks for them, each time the same rows in the same order, and
in batches of the same size: so the same rows give the same profile, wherever they lie. What is
dear to read again, or may come in another order the next time, is read once and kept in a
temporary file.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlobs.errors import DataError

if TYPE_CHECKING:
    from mlobs.drift.readers import Files
    from mlobs.drift.sources.clickhouse import Query


def source(
    paths: Sequence[str | Path] = (),
    *,
    query: str | None = None,
    url: str | None = None,
    columns: Sequence[str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> "Files | Query":
    """Return what a command line names: files, or a query.

    Args:
        paths: Files, folders and patterns; see `readers.Files`.
        query: A SELECT for ClickHouse, in place of paths.
        url: Where that runs; see `clickhouse.Query`. The server of MLOBS_SERVER if None.
        columns: Read only these, where the rest can be left out.
        progress: Called with the number of rows of each batch that was read.

    Raises:
        DataError: Neither or both were given, or the source cannot be read.
        SettingError: The address is none.
        MissingExtraError: A package is missing that reads it.
    """
    if query is None:
        if not paths:
            raise DataError("There is nothing to read. Give files, or a query with: --query SQL")
        if url is not None:
            raise DataError(f"--from {_public(url)} says where a query runs. Give it with: --query SQL")
        from mlobs.drift.readers import Files  # it reads by means of this package

        return Files(paths, columns=columns, progress=progress)
    if paths:
        raise DataError(f"Both a query and files were given ({paths[0]}). Wanted: one of them.")
    from mlobs.drift.sources.clickhouse import Query  # who reads files needs no client

    return Query(url, query, columns=columns, progress=progress)


def _public(url: str) -> str:
    """Return an address without its user and password."""
    scheme, _, rest = url.rpartition("//")
    return f"{scheme}//{rest.rpartition('@')[2]}" if scheme else rest.rpartition("@")[2]
