"""`mlobs dashboards list`."""

import argparse
from typing import Any

from mlobs.cli.dashboards.shipped import shipped
from mlobs.cli.printing import print_rows
from mlobs.cli.verbs import add_verb


def register(verbs: Any) -> None:
    """Add `list`."""
    listing = add_verb(verbs, "list", _list, "Print the dashboards that ship with mlobs.")
    listing.add_argument("--json", action="store_true", help="print rows as JSON")


def _list(arguments: argparse.Namespace) -> int:
    from mlobs.dashboards.layout import panels

    rows = [
        {
            "uid": dashboard["uid"],
            "title": dashboard["title"],
            "panels": len([*panels(dashboard)]),
            "queries": sum(len(panel.get("targets", ())) for panel in panels(dashboard)),
            "file": name,
        }
        for name, dashboard in shipped().items()
    ]
    print_rows(rows, as_json=arguments.json)
    return 0
