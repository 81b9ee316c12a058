"""`mlobs alerts check`: files of rules, before they ship: ours, Prometheus', Grafana's."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlobs.cli.verbs import add_verb

if TYPE_CHECKING:
    from mlobs.cli.alerts.findings import Finding

EPILOG = """\
Without a file: the packaged rules with the thresholds of MLOBS_ALERT_*, and the file of MLOBS_ALERT_RULES.
A file is taken for what it is: rules of mlobs (rules: at the top), a rule file of Prometheus, or alert
rules that Grafana provisions (groups: at the top).

examples:
  mlobs alerts example > rules.yml && mlobs alerts check rules.yml
  mlobs alerts check /etc/prometheus/rules/*.yml --json

exit status: 0 nothing wrong, 1 a rule has a problem, 2 a file cannot be read, or has a field, a name or a
value that there is not
"""


def register(verbs: Any) -> None:
    """Add the verb."""
    about = "Check files of rules: names, labels, severity, runbooks, PromQL."
    check = add_verb(verbs, "check", _check, about, EPILOG)
    check.add_argument("files", metavar="FILE", type=Path, nargs="*", help="a file of rules")
    check.add_argument("--json", action="store_true", help="print findings as JSON")


def _check(arguments: argparse.Namespace) -> int:
    from mlobs.cli.alerts.findings import of_file, of_house, recorded_in
    from mlobs.cli.printing import console, print_json, visible
    from mlobs.settings import AlertSettings, load

    settings = load(AlertSettings)
    found: list[Finding] = []
    rules = 0
    recorded = {series for path in arguments.files for series in recorded_in(path)}
    for path in arguments.files or [None]:
        report = of_house(settings) if path is None else of_file(path, settings, recorded)
        found += report.findings
        rules += report.rules
    if arguments.json:
        print_json([{"file": one.file, "rule": one.rule, "problem": one.problem} for one in found])
    else:
        for one in found:
            print(
                visible(
                    f"{one.file}: {one.rule}: {one.problem}" if one.rule else f"{one.file}: {one.problem}"
                )
            )
    counted = ((rules, "rule"), (len(found), "problem"))
    told = (f"{number} {what}{'' if number == 1 else 's'}" for number, what in counted)
    console(stderr=True).print(", ".join(told))
    return 1 if found else 0
