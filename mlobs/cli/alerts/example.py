"""`mlobs alerts example`: a file of rules to start from, and what its rules may be about."""

import argparse
from collections.abc import Iterator
from typing import Any

from mlobs.cli.verbs import add_verb

FILE = "rules.example.yml"
EPILOG = """\
It has a rule for each kind of indicator, and all fields; below are the metrics, with their labels.

example:
  mlobs alerts example > rules.yml && mlobs alerts check rules.yml
"""


def register(verbs: Any) -> None:
    """Add the verb."""
    add_verb(verbs, "example", _example, "Print a file of alert rules of your own, to start from.", EPILOG)


def _example(_arguments: argparse.Namespace) -> int:
    from mlobs import assets

    print((assets.root() / "alerts" / FILE).read_text(encoding="utf-8"))
    print("\n".join(_metrics()))
    return 0


def _metrics() -> Iterator[str]:
    """Yield what rules may be about, as comments."""
    from mlobs.alerts.measured import OF_RESOURCE, OF_SPANS, engines_of, labels_of
    from mlobs.semconv.metrics import METRICS

    yield "# The metrics, with the labels that by and where may name."
    for metric in METRICS:
        where = "" if "server" in engines_of((metric,)) else ", only in Prometheus"
        labels = ", ".join(one.name for one in labels_of(metric)) or "none"
        yield f"#   {metric.name} ({metric.kind}{where}): {labels}"
    yield "# What where may name besides. Of a metric that does not list them above, only the server knows"
    yield "# these. Of calls, predictions, tokens and costs:"
    yield f"#   {', '.join(one.name for one in OF_SPANS)}"
    yield f"# Of drift: {', '.join(one.name for one in OF_RESOURCE)}"
