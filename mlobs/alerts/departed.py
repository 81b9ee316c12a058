"""What is still known of rules that are no more, so that their alerts can be ended.

Edge: this writes to the disk, inside the transaction it is given. A restart is how rules are deployed, so
whoever was told that an alert fires may have been told by rules that this process has never seen. What the
end of an alert needs of its rule is kept beside the alerts: severity, component, labels and summary.
"""

import json
import sqlite3
from typing import Any

from mlobs.alerts.indicators import Expression
from mlobs.alerts.rules import Rule
from mlobs.semconv.rows import Attribute

SCHEMA = "CREATE TABLE IF NOT EXISTS said (rule TEXT PRIMARY KEY, facts TEXT NOT NULL)"
FIELDS = ("name", "severity", "component", "labels", "summary", "above", "hold_s")


def facts(rule: Rule) -> str:
    """Return what is kept of a rule, as JSON."""
    of = rule.indicator
    return json.dumps(
        {
            **{name: getattr(rule, name) for name in FIELDS},
            "page": rule.runbook,
            "by": [attribute.name for attribute in of.by],
            "window_s": of.window_s,
            "unit": of.unit,
        }
    )


def departed(name: str, kept: str | None) -> Rule:
    """Return a rule in place of one that is no more: its summary, and why its alerts end.

    Args:
        name: The rule's.
        kept: What `facts` said of it; None if a release wrote the alert that kept nothing.
    """
    known: dict[str, Any] = {} if kept is None else json.loads(kept)
    by = tuple(Attribute(one, "string", "A label of a rule that is no more.") for one in known.get("by", ()))
    of = Expression(
        promql="vector(0)", by=by, window_s=known.get("window_s", 0), unit=known.get("unit", "number")
    )
    above = known.get("above")
    # Not validated: what an older release took for a rule must not keep its alerts from ending.
    return Rule.model_construct(
        name=name,
        indicator=of,
        above=0.0 if above is None else above,
        hold_s=known.get("hold_s", 0),
        keep_firing_s=0,
        severity=known.get("severity", "warning"),
        component=known.get("component", "pipeline"),
        labels=known.get("labels", {}),
        summary=known.get("summary", f"The rule {name} is gone."),
        description=(
            f"The rule {name} is gone: it was removed or renamed, and its alerts end with it. Nobody "
            "measures any more whether the trouble is over. First: mlobs alerts rules says which there are."
        ),
        runbook=known.get("page", ""),
    )


def read(db: sqlite3.Connection) -> dict[str, str]:
    """Return what is kept, by the rule's name; make the table if there is none."""
    db.execute(SCHEMA)
    return dict(db.execute("SELECT rule, facts FROM said").fetchall())


def keep(db: sqlite3.Connection, rule: Rule) -> None:
    """Write down what the end of the rule's alerts will need."""
    db.execute("INSERT OR REPLACE INTO said VALUES (?, ?)", (rule.name, facts(rule)))


def forget(db: sqlite3.Connection, name: str) -> None:
    """Remove what is kept of a rule whose alerts are over."""
    db.execute("DELETE FROM said WHERE rule = ?", (name,))
