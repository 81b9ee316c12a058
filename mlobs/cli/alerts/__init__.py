"""`mlobs alerts`: what fires, which rules there are, who is told, and the files for Prometheus.

One file per verb; each has `register`, which adds its verb to the noun's.
"""

from importlib import import_module
from typing import Any

VERBS = (
    "listing",
    "rules",
    "build",
    "example",
    "check",
    "backtest",
    "receive",
    "routes",
    "deliveries",
    "redrive",
    "silence",
    "end",
    "test",
)


def register(nouns: Any) -> None:
    """Add `alerts` and its verbs."""
    noun = nouns.add_parser(
        "alerts", help="alert rules and what fires", description="Alert rules and alerts."
    )
    verbs = noun.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for verb in VERBS:
        import_module(f"mlobs.cli.alerts.{verb}").register(verbs)
