"""What a file of rules says under `where`: labels, with the values that count.

service.name: shop                       one value
gen_ai.request.model: [small, large]     one of several
gen_ai.tool.name: {not: [search]}        any but these
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlobs.alerts.document import Document, Place, ended, near
from mlobs.alerts.measured import choosable
from mlobs.alerts.outside import labels_of
from mlobs.semconv.attributes import ATTRIBUTES
from mlobs.semconv.dialects.rows import TENANT
from mlobs.semconv.rows import Attribute, Metric

NOT = "not"
WANTED = (
    "labels with their values were expected, such as {service.name: shop, gen_ai.tool.name: [search, buy], "
    "gen_ai.request.model: {not: small}}"
)
KNOWN: dict[str, Attribute] = {one.name: one for one in (*ATTRIBUTES, TENANT)}


def rows(
    value: Any, indicator: Mapping[str, Any], place: Place, document: Document, problems: list[str]
) -> list[dict[str, Any]]:
    """Return what stands under `where` as rows with the label, its values, and whether they are left out.

    Args:
        value: What stands there.
        indicator: The fields of its indicator, with rows of the vocabulary in them.
        place: Of the value.
        document: The file.
        problems: Where sentences about what is wrong are added.
    """
    if not isinstance(value, dict) or not value:
        problems.append(f"{document.where(place)}: {WANTED}.")
        return []
    found = []
    for name, said in value.items():
        at = (*place, name)
        wrong = _unknown(str(name), indicator)
        if wrong is not None:
            problems.append(ended(f"{document.where(at)}: {wrong}"))
            continue
        is_not = isinstance(said, dict)
        if isinstance(said, dict) and list(said) != [NOT]:
            problems.append(f"{document.where(at)}: under it 'not' was expected, such as {{not: [a, b]}}.")
            continue
        values = said[NOT] if isinstance(said, dict) else said
        texts = values if isinstance(values, list) else [values]
        strangers = [one for one in texts if not isinstance(one, str)]
        if strangers:
            problems.append(
                f"{document.where(at)}: {strangers[0]!r:.60} came; a text was expected; put it in quotes."
            )
        elif not texts:
            problems.append(f"{document.where(at)}: no value came; at least one was expected.")
        else:
            found.append({"label": KNOWN[str(name)], "values": texts, "is_not": is_not})
    return found


def _unknown(name: str, indicator: Mapping[str, Any]) -> str | None:
    """Return why calls, or series, cannot be chosen by a name; None if they can."""
    for what, labels in _labels(indicator):
        there = [one.name for one in labels]
        if name not in there:
            return f"{what} has no label {name!r:.100}; there are {', '.join(there)}{_meant(name, labels)}"
    return None if name in KNOWN else f"no attribute is called {name!r:.100}{_meant(name, KNOWN.values())}"


def _labels(indicator: Mapping[str, Any]) -> list[tuple[str, Sequence[Attribute]]]:
    """Return what an indicator is about, with the labels it may be chosen by."""
    of = [one for value in indicator.values() for one in (value if isinstance(value, list) else [value])]
    found: list[tuple[str, Sequence[Attribute]]] = [
        (one.name, choosable(one)) for one in of if isinstance(one, Metric)
    ]
    series = indicator.get("series")
    labels = labels_of(series) if isinstance(series, str) else None
    return found if labels is None else [(str(series), labels)]


def _meant(name: str, labels: Iterable[Attribute]) -> str:
    """Return the label that is spelled nearly so, or as Prometheus does, or has this word in it."""
    labels = list(labels)
    for one in labels:
        if name == one.label:
            return f"; did you mean {one.name!r}?"
    for one in labels:
        if name in one.name.split("."):
            return f"; did you mean {one.name!r}?"
    return near(name, [one.name for one in labels])
