"""Finds what would make a dashboard show nothing, or something untrue.

Seventeen rules are those of the public dashboard linter, under its names; the rest are ours. Queries are
checked on their syntax tree. `RULES` says what each rule wants; `EXEMPT` which we do not follow, and why.
Findings are sentences; an empty list is a good dashboard.
"""

from mlobs.dashboards.lint.check import check, choices
from mlobs.dashboards.lint.findings import Finding
from mlobs.dashboards.lint.names import EVERYWHERE, families
from mlobs.dashboards.lint.rules import EXEMPT, RULES
from mlobs.dashboards.lint.syntax import concrete, selectors

__all__ = [
    "EVERYWHERE",
    "EXEMPT",
    "RULES",
    "Finding",
    "check",
    "choices",
    "concrete",
    "families",
    "selectors",
]
