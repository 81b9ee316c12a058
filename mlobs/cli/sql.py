"""`mlobs sql`: one statement to the server's tables, as a table or in a format for programs."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from mlobs.cli.verbs import add_server
from mlobs.errors import DataError, QueryError

FORMATS = ("table", "json", "jsonl", "csv", "arrow", "parquet")
ENDINGS = {f".{name}": name for name in FORMATS[1:]} | {".ndjson": "jsonl"}
BINARY = ("arrow", "parquet")
EPILOG = """\
examples:
  mlobs sql "SELECT RequestModel, count(), sum(InputTokens) FROM otel_traces GROUP BY 1"
  mlobs sql "SELECT * FROM otel_traces WHERE ErrorType != ''" --format parquet --out errors.parquet
  mlobs sql - < question.sql
  mlobs sql "SHOW TABLES"

Only reading is done; time, memory and rows have limits. Interrupt it, and the server stops too.
"""


def register(nouns: Any) -> None:
    """Add `mlobs sql`."""
    command = nouns.add_parser(
        "sql",
        help="ask the server's tables in SQL",
        description="Run one SQL statement on a server's tables and print the answer.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("query", metavar="QUERY", help="one statement that reads; - reads it from stdin")
    command.add_argument(
        "--format", choices=FORMATS, help="default: table, or what the name of --out ends in"
    )
    command.add_argument("--out", type=Path, metavar="FILE", help="write the answer to a file")
    command.add_argument(
        "--rows-max", type=int, default=100_000, help="refuse an answer with more rows (default: 100000)"
    )
    command.add_argument("--json", action="store_true", help="the same as --format json")
    add_server(command)
    command.set_defaults(handler=sql)


def sql(arguments: argparse.Namespace) -> int:
    """Print the answer of one statement."""
    from mlobs.cli.asking import client
    from mlobs.cli.printing import console, print_json, print_rows

    query = _from_stdin() if arguments.query == "-" else arguments.query
    form = _form(arguments)
    if form in BINARY and arguments.out is None and sys.stdout.isatty():
        raise QueryError(f"{form} is not for reading on a terminal; write it to a file with --out FILE.")
    with client(arguments.server) as asked:
        wanted = "json" if form == "table" else form
        answer = asked.answer(query.strip().rstrip(";"), form=wanted, rows_max=arguments.rows_max)
    if wanted == "json":  # The rows; names and kinds of the columns are for clients of the API.
        rows = json.loads(answer)["data"]
        answer = json.dumps(rows, ensure_ascii=False).encode()
    if arguments.out is not None:
        try:
            arguments.out.write_bytes(answer)
        except OSError as error:
            raise DataError(f"{arguments.out} cannot be written: {error.strerror}.") from None
        console(stderr=True).print(f"{len(answer):,} bytes in {arguments.out}", markup=False)
    elif form == "table":
        if rows:
            print_rows([{name: _shown(value) for name, value in row.items()} for row in rows], as_json=False)
        else:
            console(stderr=True).print("No rows.")
    elif form == "json":
        print_json(rows)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(answer)
    return 0


def _from_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise QueryError(
            f"The statement on stdin is no UTF-8 at byte {error.start}; write it as such."
        ) from None


def _form(arguments: argparse.Namespace) -> str:
    from mlobs.cli.exporting import form_of

    if arguments.json:
        return "json"
    if arguments.format:
        return str(arguments.format)
    return "table" if arguments.out is None else form_of(arguments.out, None, ENDINGS)


def _shown(value: object) -> object:
    """Return a cell; maps and lists are JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
