"""Rules about one query of traces.

There is no parser for TraceQL in Python, so this looks only for what every query has: strings that end,
brackets that close, and a choice of spans in braces.
"""

from collections.abc import Iterator

from mlobs.dashboards.lint.brackets import closed, without_strings
from mlobs.dashboards.lint.findings import Problem


def problems(query: str) -> Iterator[Problem]:
    """Yield what is wrong with a query of traces."""
    plain = without_strings(query).strip()
    if not closed(plain):
        yield "target-traceql", "is not TraceQL: a string or a bracket does not end"
    # One trace is asked for by its id alone.
    elif not plain.startswith(("{", "(", "$")) and not plain.isalnum():
        yield "target-traceql", "is not TraceQL: it chooses no spans, such as { span:status = error }"
