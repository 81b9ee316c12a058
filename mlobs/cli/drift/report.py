"""`mlobs drift report`: show what moved, as a table, a page or JSON, or with Evidently."""

import argparse
from pathlib import Path
from typing import Any

from mlobs.cli.drift import comparing
from mlobs.errors import DataError, SettingError

EPILOG = """\
examples:
  mlobs drift report churn.json today.parquet
  mlobs drift report churn.json today.parquet -o today.html
  mlobs drift report churn.json today.parquet --evidently --reference train.parquet -o evidently.html

The page is one file that loads nothing. Distances have 90 % intervals behind them. --evidently writes
Evidently's own report, which needs the rows of both data sets and the extra 'evidently'.

exit status:
  0  the report was made, whatever it says ('check' tells by its status)
  2  it could not be made
"""


def register(verbs: Any) -> None:
    """Add the verb."""
    report = verbs.add_parser(
        "report",
        help="show what moved: table, page, JSON, or Evidently's report",
        description="Compare new data with a saved profile and show all that can be said.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    comparing.add_arguments(report)
    report.add_argument("-o", "--output", metavar="FILE", help="write it to FILE.html or FILE.json")
    report.add_argument("--json", action="store_true", help="print it as JSON, with every bin")
    report.add_argument("--evidently", action="store_true", help="let Evidently compare and write the report")
    report.add_argument(
        "--reference",
        metavar="DATA",
        action="append",
        default=[],
        help="the rows that the profile was made of, for --evidently; may be repeated",
    )
    report.set_defaults(handler=_report)


def _report(arguments: argparse.Namespace) -> int:
    from mlobs.cli.drift.output import refuse_to_overwrite
    from mlobs.cli.drift.tables import print_report
    from mlobs.cli.printing import print_json, visible
    from mlobs.drift.report.page import page

    ending = Path(arguments.output).suffix if arguments.output is not None else None
    if ending not in {None, ".html", ".json"}:
        raise SettingError(f"The report cannot be written to {arguments.output}: wanted .html or .json.")
    if arguments.output is not None:
        inputs = [arguments.profile, *arguments.data, *arguments.reference]
        refuse_to_overwrite(arguments.output, profile=False, inputs=inputs)
    if arguments.evidently:
        return _with_evidently(arguments)
    if arguments.reference:
        raise SettingError("--reference is for --evidently; a profile holds what is compared otherwise.")
    report = comparing.compared(arguments, intervals=True, bars=True)
    if ending == ".html":
        _write(arguments.output, page(report, data=", ".join(arguments.data) or "a query"))
    elif ending == ".json":
        import json

        _write(arguments.output, json.dumps(report.to_json(), ensure_ascii=False, indent=1))
    if arguments.json:
        print_json(report.to_json())
    elif ending is None:
        print_report(report, wide=True)
    else:
        print(visible(report.summary))
        print(f"{arguments.output}: {len(report.findings)} columns, {report.rows} rows")
    return 0


def _write(path: str, content: str) -> None:
    try:
        Path(path).write_text(content, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise DataError(f"The report {path!r} cannot be written: {error.strerror}.") from None


def _with_evidently(arguments: argparse.Namespace) -> int:
    from mlobs.cli.drift.progress import progress
    from mlobs.cli.printing import print_rows, visible
    from mlobs.drift.profile import Profile
    from mlobs.drift.report.evidently import compare
    from mlobs.drift.sources import source

    if not (arguments.reference and arguments.output):
        raise SettingError(
            "Evidently needs the rows of both data sets and writes a file. "
            "Wanted: --reference train.parquet and -o report.html"
        )
    profile = Profile.read(arguments.profile)
    with progress("reading") as (start, advance):
        columns = comparing.needed(profile, arguments.column)
        data = source(
            arguments.data, query=arguments.query, url=arguments.url, columns=columns, progress=advance
        )
        reference = source(arguments.reference, columns=columns, progress=advance)
        start(data.rows and reference.rows and data.rows + reference.rows)
        found = compare(profile, reference, data, columns=arguments.column)
    found.write(arguments.output)
    drifted, thresholds = found.drifted, found.thresholds
    rows = [
        {
            "column": name,
            "verdict": {True: "drifted", False: "not drifted", None: None}[drifted[name]],
            "method": method,
            "value": round(value, 4),
            "threshold": thresholds[name],
        }
        for name, (method, value) in found.values.items()
    ]
    print_rows(rows, as_json=arguments.json)
    if not arguments.json:
        for name, reason in found.left_out.items():
            print(visible(f"left out: {name} ({reason})"))
        print(f"{arguments.output}: Evidently's report on {len(rows)} columns")
    return 0
