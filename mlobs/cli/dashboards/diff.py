"""`mlobs dashboards diff`."""

import argparse
import json
from typing import Any

from mlobs.cli.dashboards.aim import EPILOG, add_options, grafana, wanted
from mlobs.cli.printing import console, print_rows
from mlobs.cli.verbs import add_verb

SHOWN_MAX = 60


def register(verbs: Any) -> None:
    """Add `diff`."""
    about = "Say what push would change in a Grafana, field by field."
    add_options(add_verb(verbs, "diff", _diff, about, EPILOG))


def _diff(arguments: argparse.Namespace) -> int:
    from mlobs.dashboards.grafana.push import changes, plan

    found = [one for one in changes(plan(grafana(arguments), wanted(arguments))) if one.action != "keep"]
    rows: list[dict[str, Any]] = []
    for one in found:
        row = {"kind": one.kind, "uid": one.uid, "action": one.action}
        rows += [{**row, "field": f.path, "there": f.there, "here": f.here} for f in one.fields] or [
            {**row, "field": "", "there": "", "here": ""}
        ]
    if not arguments.json:
        rows = [{**row, "there": _short(row["there"]), "here": _short(row["here"])} for row in rows]
    if rows or arguments.json:
        print_rows(rows, as_json=arguments.json, whole=("uid",), spare=("kind",))
    told = f"{len(found)} would change" if found else "nothing would change"
    console(stderr=True).print(told)
    return 1 if found else 0


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"
