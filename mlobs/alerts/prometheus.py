"""Renders the rules as files for Prometheus and Alertmanager.

The files are committed in alerts/, and a test renders them again and compares. YAML is
written here line by line: its shape is fixed, and strings are quoted as JSON, which YAML
reads.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from mlobs.alerts.promql import RECORDED_EVERY_S, expression, recordings
from mlobs.alerts.recording import INTERVAL, Recording
from mlobs.alerts.recording import recordings as of_drift
from mlobs.alerts.rules import Rule
from mlobs.alerts.runbooks import link
from mlobs.alerts.words import PROMETHEUS, duration, template
from mlobs.semconv import attributes as a

RULES_FILE = "mlobs.rules.yml"
ALERTMANAGER_FILE = "alertmanager.yml"
WATCHDOG = "MlobsWatchdog"
TELEMETRY_ABSENT = "MlobsTelemetryAbsent"
MADE_BY = "# Made by `mlobs alerts build` from mlobs/alerts/catalogue; change it there."


def files(rules: Sequence[Rule], *, runbook_base: str, own: Path | None = None) -> dict[str, str]:
    """Return the text of both files, by file name; arguments are those of `rules_file`."""
    return {
        RULES_FILE: rules_file(rules, runbook_base=runbook_base, own=own),
        ALERTMANAGER_FILE: alertmanager_file(rules),
    }


def rules_file(rules: Sequence[Rule], *, runbook_base: str, own: Path | None = None) -> str:
    """Return a Prometheus rule file: groups of what is recorded, and one of alerts per component.

    Args:
        rules: Those that only the server can evaluate are left out.
        runbook_base: What the address of a runbook begins with; a rule without a page has none.
        own: The file of one's own rules, beside which their runbooks are.
    """
    rules = [rule for rule in rules if "prometheus" in rule.engines]
    lines = [MADE_BY, "groups:"]
    for name, every, found in (
        ("mlobs.drift.recording", INTERVAL, of_drift()),
        ("mlobs.alerts.recording", duration(RECORDED_EVERY_S), recordings(rules)),
    ):
        if found:
            lines += [f"- name: {name}", f"  interval: {every}", "  rules:"]
        for recording in found:
            lines += (f"  {line}" for line in _recording(recording))
    for component in dict.fromkeys(rule.component for rule in rules):
        lines += [f"- name: mlobs.{component}", "  rules:"]
        for rule in rules:
            if rule.component == component:
                lines += (f"  {line}" for line in _alert(rule, link(rule, runbook_base, own)))
    return "\n".join(lines) + "\n"


def alertmanager_file(rules: Sequence[Rule]) -> str:
    """Return an Alertmanager configuration to start from: who hears what, and what silences what.

    The parts about a packaged rule that is left out are left out, too.
    """
    known = {rule.name for rule in rules}
    by_service = [rule.name for rule in rules if a.SERVICE_NAME in rule.indicator.by]
    quiet = [name for name in by_service if name != TELEMETRY_ABSENT]
    group_by = ["alertname", a.SERVICE_NAME.label, a.REQUEST_MODEL.label, a.MODEL_NAME.label]
    hushed = _INHIBITED.format(absent=TELEMETRY_ABSENT, quiet="|".join(quiet), service=a.SERVICE_NAME.label)
    return _ALERTMANAGER.format(
        made_by=MADE_BY.replace("catalogue", "prometheus.py"),
        group_by=", ".join(group_by),
        watchdog=_WATCHED.format(watchdog=WATCHDOG) if WATCHDOG in known else "",
        inhibited=hushed if TELEMETRY_ABSENT in known else "",
    )


def _recording(recording: Recording) -> Iterable[str]:
    yield f"- record: {recording.name}"
    yield "  expr: |"
    yield from (f"    {line}" for line in recording.expression.splitlines())
    if recording.labels:
        yield "  labels:"
        yield from (f"    {name}: {_quoted(value)}" for name, value in recording.labels.items())


def _alert(rule: Rule, runbook_url: str | None) -> Iterable[str]:
    yield f"- alert: {rule.name}"
    yield "  expr: |"
    yield from (f"    {line}" for line in expression(rule).splitlines())
    if rule.hold_s:
        yield f"  for: {duration(rule.hold_s)}"
    if rule.keep_firing_s:
        yield f"  keep_firing_for: {duration(rule.keep_firing_s)}"
    yield "  labels:"
    yield from (f"    {name}: {_text(value)}" for name, value in rule.fixed_labels.items())
    yield "  annotations:"
    yield f"    summary: {_quoted(template(rule, rule.summary, PROMETHEUS))}"
    yield f"    description: {_quoted(template(rule, rule.description, PROMETHEUS))}"
    if runbook_url is not None:
        yield f"    runbook_url: {_text(runbook_url)}"


def _text(text: str) -> str:
    """Return what Prometheus, which reads a template, makes `text` of."""
    return _quoted(PROMETHEUS.quoted(text))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


_ALERTMANAGER = """\
{made_by}
# A routing to start from. Put your own addresses where 127.0.0.1:5001 stands; whatever takes
# Alertmanager's webhook (version 4) will do.
route:
  receiver: morning
  group_by: [{group_by}]
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 4h
  routes:
{watchdog}  - matchers: [severity="critical"]
    receiver: page
  - matchers: [severity="info"]
    receiver: nobody
{inhibited}receivers:
- name: page
  webhook_configs:
  - url: http://127.0.0.1:5001/page
    max_alerts: 0
- name: morning
  webhook_configs:
  - url: http://127.0.0.1:5001/morning
    max_alerts: 0
- name: deadman
  webhook_configs:
  - url: http://127.0.0.1:5001/deadman
    send_resolved: false
- name: nobody
"""
_WATCHED = """\
  # The watchdog always fires. Its receiver must raise the alarm when it stops arriving.
  - matchers: [alertname="{watchdog}"]
    receiver: deadman
    group_wait: 0s
    group_interval: 1m
    repeat_interval: 5m
"""
_INHIBITED = """\
inhibit_rules:
# Of a service that sends nothing, nothing else is known.
- source_matchers: [alertname="{absent}"]
  target_matchers: [alertname=~"{quiet}"]
  equal: [{service}]
"""
