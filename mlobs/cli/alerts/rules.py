"""`mlobs alerts rules`: which rules there are."""

import argparse
from typing import Any

from mlobs.cli.verbs import add_verb

EPILOG = """\
Long conditions are cut; --json has them whole.
"""
CONDITION_MAX = 160


def register(verbs: Any) -> None:
    """Add the verb."""
    rules = add_verb(verbs, "rules", _rules, "Print the rules: the packaged ones, and yours.", EPILOG)
    rules.add_argument("--json", action="store_true", help="print rows as JSON")


def _rules(arguments: argparse.Namespace) -> int:
    from mlobs.alerts.rulefile import all_rules
    from mlobs.alerts.words import duration, fires_when, printable
    from mlobs.cli.printing import print_rows
    from mlobs.settings import AlertSettings, load

    rows = [
        {
            "alert": rule.name,
            "severity": rule.severity,
            # An expression of PromQL may have thousands of characters, which no table has room for.
            "fires when": fires_when(rule) if arguments.json else printable(fires_when(rule), CONDITION_MAX),
            "for": duration(rule.hold_s),
            "one for each": ", ".join(attribute.name for attribute in rule.indicator.by) or None,
            "evaluated by": " and ".join(reversed(rule.engines)),
        }
        for rule in all_rules(load(AlertSettings))
    ]
    print_rows(rows, as_json=arguments.json)
    return 0
