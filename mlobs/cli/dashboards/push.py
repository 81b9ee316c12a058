"""`mlobs dashboards push`."""

import argparse
from collections import Counter
from typing import Any

from mlobs.cli.dashboards.aim import EPILOG, add_options, grafana, wanted
from mlobs.cli.printing import console, print_rows
from mlobs.cli.verbs import add_verb

PAST = {"create": "created", "update": "updated", "remove": "removed", "keep": "the same"}


def register(verbs: Any) -> None:
    """Add `push`."""
    push = add_verb(
        verbs, "push", _push, "Bring dashboards and more to a Grafana; what is the same stays.", EPILOG
    )
    add_options(push)
    push.add_argument("--dry-run", action="store_true", help="say what would change and change nothing")


def _push(arguments: argparse.Namespace) -> int:
    from mlobs.dashboards.grafana.contact import HOW_TO_ROUTE
    from mlobs.dashboards.grafana.push import push

    changes = push(grafana(arguments), wanted(arguments), dry_run=arguments.dry_run)
    rows = [{"kind": c.kind, "uid": c.uid, "title": c.title, "action": c.action} for c in changes]
    told = console(stderr=True)
    moved = [row for row in rows if row["action"] != "keep"]
    if moved or arguments.json:
        print_rows(
            rows if arguments.json else moved, as_json=arguments.json, whole=("uid",), spare=("title",)
        )
    counted: Counter[str] = Counter(change.action for change in changes)
    told.print(", ".join(f"{counted[action]} {word}" for action, word in PAST.items() if counted[action]))
    if any((change.kind, change.action) == ("contact point", "create") for change in changes):
        told.print(HOW_TO_ROUTE)
    if arguments.dry_run:
        told.print("nothing was changed: --dry-run")
    return 0
