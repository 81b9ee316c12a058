"""Exemplars: single calls of those a series counts, as many as Grafana keeps."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DEVIATIONS = 2  # Between two that are kept of one step.


@dataclass(frozen=True, slots=True)
class Dot:
    """One call."""

    at_s: float
    value: float
    labels: Mapping[str, Any]


def thinned(dots: Sequence[Dot], step_s: float) -> list[Dot]:
    """Return the exemplars that Grafana shows: of each step the highest, and those well below the last kept.

    Args:
        dots: All that Prometheus has.
        step_s: Between two points of the graph.

    >>> [dot.value for dot in thinned([Dot(1, 9, {}), Dot(2, 8, {}), Dot(3, 1, {}), Dot(70, 2, {})], 60)]
    [9, 1, 2]
    """
    apart = DEVIATIONS * statistics.pstdev([dot.value for dot in dots]) if dots else 0.0
    steps: dict[int, list[Dot]] = defaultdict(list)
    for dot in dots:
        steps[int(dot.at_s // step_s)].append(dot)
    kept: list[Dot] = []
    for _, found in sorted(steps.items()):
        last = float("inf")
        for dot in sorted(found, key=lambda one: -one.value):
            if last - dot.value > apart:
                kept.append(dot)
                last = dot.value
    return kept
