"""`mlobs dashboards check`."""

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mlobs.cli.dashboards.shipped import in_place, shipped
from mlobs.cli.printing import console, print_rows, visible
from mlobs.cli.verbs import add_verb

EPILOG = """\
Dashboards that are not ours (whose uid does not begin with mlobs-) are only warned of what is a matter of
style, or of names that we do not know.

exit status: 0 nothing wrong or warnings only, 1 errors found, 2 a file could not be read
"""


def register(verbs: Any) -> None:
    """Add `check`."""
    check = add_verb(verbs, "check", _check, "Check dashboards: queries, names, units, layout.", EPILOG)
    check.add_argument(
        "directory",
        metavar="DIR|FILE",
        type=Path,
        nargs="?",
        help="what to check (default: the shipped ones)",
    )
    check.add_argument("--strict", action="store_true", help="count warnings as errors")
    check.add_argument("--json", action="store_true", help="print findings as JSON")


def _check(arguments: argparse.Namespace) -> int:
    from mlobs.dashboards.lint import check, choices

    ours = shipped()
    dashboards, refused = in_place(arguments.directory) if arguments.directory else (ours, [])
    boards = choices([*ours.values(), *dashboards.values()])
    found = [finding for dashboard in dashboards.values() for finding in check(dashboard, boards)]
    if arguments.strict:
        found = [replace(finding, level="error") for finding in found]
    if found or arguments.json:
        print_rows([asdict(finding) for finding in found], as_json=arguments.json)
    errors = sum(finding.level == "error" for finding in found)
    told = console(stderr=True)
    for sentence in refused:
        told.print(visible(sentence), markup=False, highlight=False, soft_wrap=True)
    told.print(
        f"{len(dashboards)} {'dashboard' if len(dashboards) == 1 else 'dashboards'} checked, {errors} errors "
        f"and {len(found) - errors} warnings found"
        + (f"; files that could not be read: {len(refused)}" if refused else "")
    )
    return 2 if refused else 1 if errors else 0
