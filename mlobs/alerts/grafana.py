"""Renders the rules as Grafana's own alert rules, in the form that its provisioning folder takes.

Each rule is two steps: A asks Prometheus, B compares. A is the rule's whole expression, guards for low
traffic included, which has series exactly while the rule is broken; B repeats the limit, for whoever looks
at it in Grafana. A series that goes is forgotten after as many evaluations as the rule's keep-firing lasts.

There are no notification policies in the file: they would replace the whole tree of whoever loads it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlobs.alerts.promql import expression, limit
from mlobs.alerts.rules import Rule
from mlobs.alerts.runbooks import link
from mlobs.alerts.words import GRAFANA, duration, template

FILE = "grafana/mlobs.rules.yaml"  # In the folder of all rendered files.
FOLDER = "mlobs"
SOURCE = "mlobs-prometheus"
INTERVAL_S = 60
UID_CHARACTERS_MAX = 40
GONE_EVALUATIONS_MIN = 2
LOOKBACK_S = 600  # Grafana wants a range; what an instant query asks for is in its expression.
MADE_BY = """\
# Made by `mlobs alerts build`; change the rules, not this file. Put it into Grafana's folder
# provisioning/alerting. Prometheus must be the data source {source}, and load alerts/mlobs.rules.yml
# for the series that are recorded there."""


def grafana_file(
    rules: Sequence[Rule], *, runbook_base: str, source: str = SOURCE, own: Path | None = None
) -> str:
    """Return the file: one group for each component.

    Args:
        rules: Those Prometheus cannot evaluate are left out.
        runbook_base: What the address of a runbook begins with; a rule without a page has none.
        source: The uid of Grafana's data source for Prometheus.
        own: The file of one's own rules, beside which their runbooks are.
    """
    asked = [rule for rule in rules if "prometheus" in rule.engines]
    groups = [
        {
            "orgId": 1,
            "name": f"mlobs.{component}",
            "folder": FOLDER,
            "interval": duration(INTERVAL_S),
            "rules": [
                _rule(rule, link(rule, runbook_base, own), source)
                for rule in asked
                if rule.component == component
            ],
        }
        for component in dict.fromkeys(rule.component for rule in asked)
    ]
    lines = [MADE_BY.format(source=source), *_yaml({"apiVersion": 1, "groups": groups})]
    return "\n".join(lines) + "\n"


def uid(name: str) -> str:
    """Return what Grafana knows a rule by, the same for ever and short enough.

    >>> uid("MlobsWatchdog")
    'mlobs-MlobsWatchdog'
    """
    whole = f"mlobs-{name}"
    if len(whole) <= UID_CHARACTERS_MAX:
        return whole
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{whole[: UID_CHARACTERS_MAX - 9]}-{mark}"


def _rule(rule: Rule, runbook_url: str | None, source: str) -> dict[str, Any]:
    watchdog = rule.indicator.kind == "watchdog"
    gone = max(GONE_EVALUATIONS_MIN, -(-rule.keep_firing_s // INTERVAL_S))
    annotations = {
        "summary": template(rule, rule.summary, GRAFANA),
        "description": template(rule, rule.description, GRAFANA),
    }
    if runbook_url is not None:
        annotations["runbook_url"] = GRAFANA.quoted(runbook_url)
    return {
        "uid": uid(rule.name),
        "title": rule.name,
        "condition": "B",
        "for": duration(rule.hold_s),
        "keepFiringFor": duration(rule.keep_firing_s),
        "noDataState": "OK",
        # The watchdog must fall silent when Prometheus does; the others stay as they were.
        "execErrState": "OK" if watchdog else "KeepLast",
        "missing_series_evals_to_resolve": gone,
        "isPaused": False,
        "annotations": annotations,
        "labels": {name: GRAFANA.quoted(value) for name, value in rule.fixed_labels.items()},
        "data": [_query(rule, source), _comparison(rule)],
    }


def _query(rule: Rule, source: str) -> dict[str, Any]:
    return {
        "refId": "A",
        "relativeTimeRange": {"from": max(LOOKBACK_S, rule.indicator.window_s), "to": 0},
        "datasourceUid": source,
        "model": {
            "refId": "A",
            "datasource": {"type": "prometheus", "uid": source},
            "expr": expression(rule),
            "instant": True,
            "range": False,
            "editorMode": "code",
            "intervalMs": 1000 * INTERVAL_S,
            "maxDataPoints": 43_200,
        },
    }


def _comparison(rule: Rule) -> dict[str, Any]:
    # As the expression rounds it; what has no limit has the value 1.
    above = 0.0 if rule.above is None else float(limit(rule))
    return {
        "refId": "B",
        "relativeTimeRange": {"from": 0, "to": 0},
        "datasourceUid": "__expr__",
        "model": {
            "refId": "B",
            "datasource": {"type": "__expr__", "uid": "__expr__"},
            "type": "threshold",
            "expression": "A",
            "conditions": [{"type": "query", "evaluator": {"type": "gt", "params": [above]}}],
        },
    }


def _yaml(value: Mapping[str, Any], indent: int = 0) -> Iterator[str]:
    """Yield a mapping line by line; texts are quoted as JSON, which YAML reads."""
    space = " " * indent
    for name, one in value.items():
        if isinstance(one, Mapping):
            yield f"{space}{name}:"
            yield from _yaml(one, indent + 2)
        elif isinstance(one, str) and "\n" in one:
            yield f"{space}{name}: |-"
            yield from (f"{space}  {line}" for line in one.splitlines())
        elif isinstance(one, list) and one and isinstance(one[0], Mapping):
            yield f"{space}{name}:"
            for item in one:
                first, *rest = _yaml(item, indent + 2)
                yield f"{space}- {first.lstrip()}"
                yield from rest
        else:
            yield f"{space}{name}: {json.dumps(one, ensure_ascii=False)}"
