"""`mlobs drift check`: compare new data with a profile."""

import argparse
from typing import Any

from mlobs.cli.drift import comparing

EPILOG = """\
examples:
  mlobs drift check churn.json today.parquet
  mlobs drift check churn.json today.csv --column tenure --json

exit status:
  0  nothing moved
  1  something moved: a column drifted, changed its type or is missing
  2  the check could not be made: a bad file, or no column at all could be judged. If some could, those
     that could not are told, and the status is that of the others
A column that the profile does not have is told, and moves nothing. Labels and predictions that are not
in the data are not judged.
"""


def register(verbs: Any) -> None:
    """Add the verb."""
    check = verbs.add_parser(
        "check",
        help="compare new data with a profile",
        description="Compare new data with a saved profile and say what moved.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    comparing.add_arguments(check)
    check.add_argument(
        "--wide", action="store_true", help="print every distance, however narrow the terminal is"
    )
    check.add_argument("--json", action="store_true", help="print the report as JSON")
    check.set_defaults(handler=_check)


def _check(arguments: argparse.Namespace) -> int:
    from mlobs.cli.drift.tables import exit_status, print_report
    from mlobs.cli.printing import print_json

    report = comparing.compared(arguments, intervals=arguments.json, bars=False)
    if arguments.json:
        print_json(report.to_json())
    elif report.judged:
        print_report(report, wide=arguments.wide)
    return exit_status(report)
