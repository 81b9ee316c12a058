"""Which rows a verb reads: those of files, or those that a query gives."""

import argparse

FILES = "files such as a.parquet, b.csv, c.jsonl; folders; patterns"
QUERY = "a SELECT for ClickHouse, in place of files"


def add_rows(
    parser: argparse.ArgumentParser, *, name: str = "data", files: str = FILES, query: str = QUERY
) -> None:
    """Add the arguments that name them.

    Args:
        parser: Of the verb.
        name: What the files are called.
        files: What is said of them.
        query: What is said of the query.
    """
    parser.add_argument(name, metavar=name.upper(), nargs="*", help=files)
    parser.add_argument("--query", metavar="SQL", help=query)
    parser.add_argument(
        "--from",
        dest="url",
        metavar="URL",
        help="where the query runs: clickhouse://user@host:8123/db, or an mlobs server "
        "(default: $MLOBS_SERVER, or else http://127.0.0.1:4318)",
    )
