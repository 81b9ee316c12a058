"""A day of series for promtool, made from what a server exposes at one moment.

Counters and the parts of histograms grow evenly from nothing to what they are; gauges go up and down.
"""

import math
import re
from collections.abc import Iterator, Sequence

SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)")
TYPE = re.compile(r"# TYPE (\S+) (\S+)")
PARTS = ("_bucket", "_count", "_sum", "_total")
WAVES = 12  # A day's ups and downs.
Series = tuple[str, float, bool]


def exposed(text: str) -> list[Series]:
    r"""Return the series of a page in Prometheus's text format: name with labels, value, whether it grows.

    >>> exposed("# TYPE a counter\na_total{b='c'} 4 # {trace_id='1'} 1".replace("'", '"'))
    [('a_total{b="c",instance="mlobs",job="mlobs"}', 4.0, True)]
    """
    growing: set[str] = set()
    found: list[Series] = []
    for line in text.splitlines():
        if told := TYPE.match(line):
            if told[2] in {"counter", "histogram"}:
                growing.add(told[1])
            continue
        sample = SAMPLE.match(line.partition(" # {")[0])
        if sample is None or not math.isfinite(float(sample[3])):
            continue
        base = sample[1]
        for part in PARTS:
            base = base.removesuffix(part)
        inside = (sample[2] or "{}")[1:-1].rstrip(",")
        labels = ",".join([*([inside] if inside else []), 'instance="mlobs"', 'job="mlobs"'])
        found.append((f"{sample[1]}{{{labels}}}", float(sample[3]), {base, sample[1]} & growing != set()))
    return found


def openmetrics(series: Sequence[Series], begin_s: int, end_s: int, step_s: int) -> Iterator[str]:
    """Yield the lines of a day."""
    moments = range(begin_s, end_s, step_s)
    for name, value, grows in series:
        for place, moment in enumerate(moments, 1):
            share = place / len(moments)
            now = value * share if grows else value * (1 + math.sin(share * WAVES * math.tau) / 10)
            yield f"{name} {now:.6g} {moment}\n"
    yield "# EOF\n"
