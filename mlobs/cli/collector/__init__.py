"""`mlobs collector`: build, check, show and run the OpenTelemetry Collector that mlobs configures.

One file per verb, and `parts` in that of `build`; each has `register`, which adds its verb to the noun's.
"""

from importlib import import_module
from typing import Any

VERBS = ("build", "config", "validate", "run", "keys")


def register(nouns: Any) -> None:
    """Add `collector` and its verbs."""
    noun = nouns.add_parser(
        "collector",
        help="the OpenTelemetry Collector beside a service",
        description="The OpenTelemetry Collector, beside a service and on the way to a server.",
    )
    verbs = noun.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for verb in VERBS:
        import_module(f"mlobs.cli.collector.{verb}").register(verbs)
