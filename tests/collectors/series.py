"""Reads what Prometheus would scrape, for comparing two sources of the same metrics."""

import re
from collections.abc import Iterable

from mlobs.semconv.metrics import DERIVED, JUDGED

Series = tuple[str, frozenset[tuple[str, str]]]
LINE = re.compile(r"([a-zA-Z_:]\w*)(?:\{(.*?)\})? (\S+)(?: # .*)?$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
# Prometheus sets these by where it scrapes.
PLACES = ("job", "instance")
ENDINGS = ("", "_bucket", "_sum", "_count")


def derived_series(lines: Iterable[str]) -> dict[Series, float]:
    """Return the derived metrics by name and labels; an empty label is none."""
    names = {metric.prometheus + ending for metric in (*DERIVED, *JUDGED) for ending in ENDINGS}
    found = {}
    for line in lines:
        if (read := LINE.match(line)) and read[1] in names:
            labels = {key: value for key, value in LABEL.findall(read[2] or "") if value}
            kept = frozenset(
                (key, str(float(value)) if key == "le" else value)
                for key, value in labels.items()
                if key not in PLACES
            )
            found[read[1], kept] = float(read[3])
    return found
