"""Rules as people would write them."""

from typing import Any

from pydantic import BaseModel

from mlobs.alerts.measured import Where
from mlobs.semconv.rows import Attribute, Metric

GOOD = """\
rules:
- name: ShopSearchFails
  indicator:
    kind: ratio
    metric: gen_ai.execute_tool.duration
    by: [service.name, gen_ai.tool.name]
    window_s: 600
    calls_min: 5
  above: 0.1
  hold_s: 60
  severity: critical
  component: tool
  summary: "{gen_ai.tool.name} fails."
  description: "{value} of the calls of {gen_ai.tool.name} failed."
without: [MlobsWatchdog]
"""


def written(value: Any) -> Any:
    """Return a rule as plain values, with names where rows of the vocabulary are."""
    if isinstance(value, tuple) and value and isinstance(value[0], Where):
        chosen = {one.label.name: list(one.values) for one in value}
        return {
            one.label.name: {"not": chosen[one.label.name]} if one.is_not else chosen[one.label.name]
            for one in value
        }
    if isinstance(value, BaseModel):
        fields = ((name, getattr(value, name)) for name in type(value).model_fields)
        return {
            name: written(one) for name, one in fields if one is not None and (name, one) != ("where", ())
        }
    if isinstance(value, Metric | Attribute):
        return value.name
    if isinstance(value, tuple | list):
        return [written(one) for one in value]
    return value
