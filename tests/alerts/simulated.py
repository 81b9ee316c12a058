"""The same simulated calls for both engines: spans for the store, series for promtool."""

import json
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlobs.alerts.prometheus import rules_file
from mlobs.alerts.rules import Rule
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Attribute, Metric
from tests.parts import require
from tests.yamls import loaded

COUNTED: dict[str, Attribute] = {
    "operation": a.OPERATION_NAME,
    "provider": a.PROVIDER_NAME,
    "model": a.REQUEST_MODEL,
    "agent": a.AGENT_NAME,
    "tool": a.TOOL_NAME,
    "error": a.ERROR_TYPE,
    "predictor": a.MODEL_NAME,
    "version": a.MODEL_VERSION,
}
AMOUNTS: dict[str, Metric] = {
    "seconds": m.INFERENCE_DURATION,
    "chunk": m.TIME_TO_FIRST_CHUNK,
    "usd": m.COST,
    "input": m.INPUT_TOKENS,
}


@dataclass
class Calls:
    """So many calls in each minute, from one minute before now to another.

    Args:
        per_minute: How many.
        begin: Minutes before now at which they begin.
        end: And at which they end; 0 is now.
        facts: Of each: service, operation, model, seconds, chunk, usd, input and so on; tracestate of the
            spans, which says how many calls each stands for.
    """

    per_minute: int
    begin: int
    end: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


def calls(per_minute: int, begin: int, end: int = 0, **facts: Any) -> Calls:
    return Calls(per_minute, begin, end, {"service": "shop", "operation": "chat", "seconds": 0.1, **facts})


def store(tables: Any, traffic: Iterable[Calls]) -> None:
    """Write the calls as spans: one statement for each kind of call."""
    words = ("service", "operation", "model", "agent", "tool", "error", "kind", "tracestate")
    for one in traffic:
        facts = one.facts
        more = {
            a.PROVIDER_NAME.name: facts.get("provider", ""),
            a.TIME_TO_FIRST_CHUNK.name: str(facts.get("chunk", "")),
            a.COST_USD.name: str(facts.get("usd", "")),
            a.INPUT_TOKENS.name: str(facts.get("input", "")),
            a.MODEL_NAME.name: facts.get("predictor", ""),
            a.MODEL_VERSION.name: facts.get("version", ""),
        }
        tables.spans(
            one.per_minute * (one.begin - one.end),
            ago_s=60 * (one.begin - 1) + 1,
            duration_s=facts["seconds"],
            per_step=one.per_minute,
            step_ms=60_000,
            more=more,
            **{key: facts[key] for key in words if key in facts},
        )


def series(metric: Metric, traffic: Iterable[Calls], minutes: int) -> dict[str, list[float]]:
    """Return the samples of a metric, one a minute, by series as promtool spells it."""
    found: dict[str, list[float]] = defaultdict(lambda: [0.0] * (minutes + 1))
    for one in traffic:
        operation = one.facts.get("kind") or one.facts["operation"]
        amount = one.facts.get(_amount(metric))
        if operation not in metric.operations or amount is None:
            continue
        labels = {a.SERVICE_NAME.label: one.facts["service"]}
        labels |= {
            label.label: one.facts[key]
            for key, label in COUNTED.items()
            if key in one.facts and label in metric.labels
        }
        for at in range(minutes + 1):
            so_far = one.per_minute * max(0, min(at, minutes - one.end) - (minutes - one.begin))
            for name, more, each in _parts(metric, float(amount)):
                found[spelled(name, {**labels, **more})][at] += so_far * each
    return found


def spelled(name: str, labels: dict[str, str]) -> str:
    """Return a series as promtool spells it."""
    return name + "{" + ", ".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


def prometheus_fires(
    folder: Path, rule: Rule, given: dict[str, list[float]], expected: list[dict[str, str]]
) -> str:
    """Return what promtool says against just these alerts firing, or "" if nothing."""
    whole = rule.model_copy(update={"hold_s": 0, "keep_firing_s": 0})
    groups = loaded(rules_file([whole], runbook_base="x"))["groups"]
    groups = [group for group in groups if group["name"] != "mlobs.drift.recording"]
    for one in (one for group in groups for one in group["rules"]):
        one.pop("annotations", None)
    (folder / "rules.yml").write_text(json.dumps({"groups": groups}))
    minutes = len(next(iter(given.values()))) - 1
    check = {
        "eval_time": f"{minutes}m",
        "alertname": rule.name,
        "exp_alerts": [{"exp_labels": {**rule.fixed_labels, **labels}} for labels in expected],
    }
    told = [{"series": name, "values": _compressed(samples)} for name, samples in given.items()]
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "group_eval_order": [group["name"] for group in groups],
        "tests": [{"interval": "1m", "input_series": told, "alert_rule_test": [check]}],
    }
    (folder / "test.yml").write_text(json.dumps(test))
    command = [require("promtool"), "test", "rules", str(folder / "test.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=350)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _amount(metric: Metric) -> str:
    return next((key for key, of in AMOUNTS.items() if of == metric), "seconds")


def _parts(metric: Metric, amount: float) -> Iterable[tuple[str, dict[str, str], float]]:
    if metric.kind == "counter":
        yield metric.prometheus, {}, amount
        return
    yield f"{metric.prometheus}_count", {}, 1
    for bound in (*metric.buckets, float("inf")):
        le = "+Inf" if bound == float("inf") else str(float(bound))
        yield f"{metric.prometheus}_bucket", {"le": le}, float(amount <= bound)


def _compressed(samples: list[float]) -> str:
    """Return samples in promtool's notation: runs of equal steps, as in 0+2x10."""
    words, place = [], 0
    while place < len(samples):
        last = place
        step = samples[place + 1] - samples[place] if place + 1 < len(samples) else 0.0
        while last + 1 < len(samples) and abs(samples[last + 1] - samples[last] - step) < 1e-9:
            last += 1
        words.append(f"{samples[place]:.9g}{step:+.9g}x{last - place}")
        place = last + 1
    return " ".join(words)
