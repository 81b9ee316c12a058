"""`mlobs drift`: profile the training data once, then ask what moved. One file per verb."""

from importlib import import_module
from typing import Any

VERBS = ("profile", "check", "report", "watch", "backtest")


def register(nouns: Any) -> None:
    """Add `drift` and its verbs."""
    noun = nouns.add_parser(
        "drift",
        help="what moved between training data and live data",
        description="Compare live data with the data that a model was trained on.",
    )
    verbs = noun.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for verb in VERBS:
        import_module(f"mlobs.cli.drift.{verb}").register(verbs)
