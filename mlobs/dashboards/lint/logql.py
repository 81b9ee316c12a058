"""Rules about one query of logs. We ship none; people's own dashboards have them.

There is no parser for LogQL in Python, so this looks only for what every LogQL query has: strings that end,
brackets that close, and a choice of streams that is not empty.
"""

import re
from collections.abc import Iterator

from mlobs.dashboards.lint.brackets import closed, without_strings
from mlobs.dashboards.lint.findings import Problem

STREAMS = re.compile(r'{\s*[A-Za-z_]\w*\s*(?:=~|!~|!=|=)\s*""')
WINDOW = re.compile(r"\[([^\]]+)\]")


def problems(expr: str) -> Iterator[Problem]:
    """Yield what is wrong with a query of logs."""
    plain = without_strings(expr)
    if not closed(plain):
        yield "target-logql", "is not LogQL: a string or a bracket does not end"
    elif not STREAMS.search(plain):
        yield "target-logql", 'is not LogQL: it chooses no stream, such as {service_name="shop"}'
    for window in WINDOW.findall(plain):
        if window not in {"$__auto", "$__range"}:
            yield "target-logql-auto", f"is taken over [{window}]; use [$__auto], which follows the screen"
