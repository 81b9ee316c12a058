"""`mlobs dashboards`: list, build, check and push the Grafana dashboards."""

import argparse
import json
import os
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from mlobs.cli.printing import console, print_rows
from mlobs.errors import DataError

PARTS = ("uid", "title", "panels", "templating", "annotations")


def register(nouns: Any) -> None:
    """Add `dashboards` and its verbs."""
    noun = nouns.add_parser("dashboards", help="Grafana dashboards", description="Grafana dashboards.")
    verbs = noun.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _verb(verbs, "list", _list, "Print the dashboards that ship with mlobs.").add_argument(
        "--json", action="store_true", help="print rows as JSON"
    )
    build = _verb(verbs, "build", _build, "Write the dashboards as JSON files.")
    build.add_argument(
        "-o", "--output", metavar="DIR", type=Path, default=Path("dashboards"), help="(default: dashboards)"
    )
    check = _verb(verbs, "check", _check, "Check dashboards: queries, names, units, layout.")
    check.add_argument("directory", metavar="DIR", type=Path, nargs="?", help="(default: the shipped ones)")
    check.add_argument("--json", action="store_true", help="print findings as JSON")
    push = _verb(verbs, "push", _push, "Bring the dashboards to a Grafana; what is the same stays.")
    push.add_argument("--url", default=os.environ.get("GRAFANA_URL", ""), help="(default: $GRAFANA_URL)")
    push.add_argument(
        "--token",
        default=os.environ.get("GRAFANA_TOKEN", ""),
        help="of a service account with the role Editor (default: $GRAFANA_TOKEN)",
    )
    push.add_argument("--folder", metavar="UID", default="mlobs", help="(default: mlobs)")
    push.add_argument("--dry-run", action="store_true", help="say what would change and change nothing")
    push.add_argument("--json", action="store_true", help="print changes as JSON")


def _verb(verbs: Any, name: str, handler: Any, about: str) -> argparse.ArgumentParser:
    verb: argparse.ArgumentParser = verbs.add_parser(name, help=about, description=about)
    verb.set_defaults(handler=handler)
    return verb


def _list(arguments: argparse.Namespace) -> int:
    rows = [
        {
            "uid": dashboard["uid"],
            "title": dashboard["title"],
            "panels": sum(panel["type"] != "row" for panel in dashboard["panels"]),
            "queries": sum(len(panel.get("targets", ())) for panel in dashboard["panels"]),
            "file": name,
        }
        for name, dashboard in _shipped().items()
    ]
    print_rows(rows, as_json=arguments.json)
    return 0


def _build(arguments: argparse.Namespace) -> int:
    from mlobs.dashboards.build import build

    try:
        arguments.output.mkdir(parents=True, exist_ok=True)
        for name, text in build().items():
            (arguments.output / name).write_text(text)
            print(arguments.output / name)
    except OSError as error:
        raise DataError(
            f"The folder {str(arguments.output)!r} cannot be written: {error.strerror}. "
            f"Choose another with -o DIR."
        ) from None
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from mlobs.dashboards.lint import check

    dashboards = _read(arguments.directory) if arguments.directory else _shipped()
    found = [finding for dashboard in dashboards.values() for finding in check(dashboard)]
    rows = [{"dashboard": f.dashboard, "panel": f.panel, "problem": f.problem} for f in found]
    if rows or arguments.json:
        print_rows(rows, as_json=arguments.json)
    console(stderr=True).print(f"{len(dashboards)} dashboards checked, {len(found)} problems found")
    return 1 if found else 0


def _push(arguments: argparse.Namespace) -> int:
    from mlobs.dashboards.push import push

    changes = push(
        _shipped(),
        url=arguments.url,
        token=arguments.token,
        folder=arguments.folder,
        dry_run=arguments.dry_run,
    )
    rows = [{"kind": c.kind, "uid": c.uid, "title": c.title, "action": c.action} for c in changes]
    print_rows(rows, as_json=arguments.json)
    if arguments.dry_run:
        console(stderr=True).print("nothing was changed: --dry-run")
    return 0


def _shipped() -> dict[str, Any]:
    from mlobs import assets

    return _read(assets.root() / "dashboards")


def _read(folder: Path | Traversable) -> dict[str, Any]:
    if not folder.is_dir():
        raise DataError(f"There is no folder {str(folder)!r}. Give one that holds dashboards as .json files.")
    found = {}
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".json"):
            continue
        try:
            dashboard = json.loads(file.read_text())
        except ValueError as error:
            raise DataError(
                f"{file} is not JSON: {error}. Make it anew with: mlobs dashboards build"
            ) from None
        missing = [part for part in PARTS if not isinstance(dashboard, dict) or part not in dashboard]
        if missing:
            raise DataError(
                f"{file} is not a classic Grafana dashboard: it has no {', '.join(missing)}. "
                f"Export it with the classic schema, or keep it in another folder."
            )
        found[file.name] = dashboard
    return found
