"""`mlobs dashboards`: list, build, check, preview and push the Grafana dashboards.

One file per verb; each has `register`, which adds its verb to the noun's.
"""

from importlib import import_module
from typing import Any

VERBS = ("listing", "build", "check", "preview", "push", "diff")


def register(nouns: Any) -> None:
    """Add `dashboards` and its verbs."""
    noun = nouns.add_parser("dashboards", help="Grafana dashboards", description="Grafana dashboards.")
    verbs = noun.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for verb in VERBS:
        import_module(f"mlobs.cli.dashboards.{verb}").register(verbs)
