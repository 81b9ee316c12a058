"""Reads the text that Prometheus scrapes. Pure, and without a package: the core has none for it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mlobs.errors import DataError

# An exemplar behind a value has braces of its own.
_LINE = re.compile(
    r'([a-zA-Z_:][\w:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? (\S+)(?: -?[\d.]+)?(?: # .*)?$'
)
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series.

    Args:
        name: Without `_total`, which collectors write or leave out.
        labels: By name.
        value: The number.
    """

    name: str
    labels: Mapping[str, str]
    value: float


def read_samples(text: str) -> list[Sample]:
    """Return what a page of metrics says.

    Raises:
        DataError: It is no such page.
    """
    found = list(_samples(re.split(r"\r?\n", text)))  # Labels may have what else ends lines.
    if not found:
        raise DataError(f"{text[:60]!r} came; a page of metrics, as Prometheus scrapes it, was expected.")
    return found


def plain(name: str) -> str:
    """Return the name of a counter without its ending.

    >>> plain("otelcol_receiver_accepted_spans_total")
    'otelcol_receiver_accepted_spans'
    """
    return name.removesuffix("_total")


def total(samples: Iterable[Sample], name: str, **labels: str) -> float:
    """Return the sum of a family, of the series that have these labels."""
    return sum(one.value for one in chosen(samples, name, **labels))


def chosen(samples: Iterable[Sample], name: str, **labels: str) -> Iterator[Sample]:
    """Yield the series of a family that have these labels."""
    for one in samples:
        if one.name == name and all(one.labels.get(key) == value for key, value in labels.items()):
            yield one


def _samples(lines: Iterable[str]) -> Iterator[Sample]:
    for line in lines:
        if line.startswith("#") or not (read := _LINE.match(line)):
            continue
        try:
            value = float(read[3])
        except ValueError:
            continue
        labels = {key: _ESCAPED.sub(_unescape, text) for key, text in _LABEL.findall(read[2] or "")}
        yield Sample(plain(read[1]), labels, value)


def _unescape(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]
