"""What `mlobs drift profile` says about rows that depend on each other, and about what a monitor can see."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlobs.drift.profile import Profile

MEASURABLE_ROWS = 10_000
BLIND = 0.2  # floors above it hide half a standard deviation
DIVIDED = 5.0
NAMES_MAX = 10
VOID = "the promise of few false alarms does not hold for it"


def sentences(profile: "Profile", *, ordered: bool) -> Iterator[str]:
    """Yield what is not known of the rows' dependence, and what the known one costs.

    Args:
        profile: As it was written.
        ordered: Whether it was to be measured.
    """
    yield from _unmeasured(profile, ordered=ordered)
    yield from _costs(profile)


def _unmeasured(profile: "Profile", *, ordered: bool) -> Iterator[str]:
    missing = {name: f for name, f in profile.features.items() if f.design_effect is None}
    if not ordered:
        yield (
            "By how much neighbouring rows depend on each other was not measured. A monitor takes them for "
            f"independent; if live rows come in bursts or waves, {VOID}."
        )
        return
    large = {name: f for name, f in missing.items() if f.rows >= MEASURABLE_ROWS}
    if len(large) < len(missing):
        yield (
            f"'design effect' is empty where fewer than about {MEASURABLE_ROWS:,} rows were counted: too few "
            f"to measure by how much neighbouring rows depend on each other."
        )
    by_hour = [name for name, f in large.items() if f.unrest]
    if by_hour:
        yield (
            f"The rows are not in the order of {profile.time}: of {_list(by_hour)} a monitor knows how the "
            f"hours differ, but not the bursts within an hour; if there are any, {VOID}. "
            f"Sort the data by {profile.time} and profile it again."
        )
    unknown = [name for name in large if name not in by_hour]
    if unknown:
        if profile.time:
            known, advice = "they tell nothing in the order of time either", ""
        else:
            known = "the rows are sorted by it, or in no order"
            advice = " If a column says when a row came, name it with --time."
        yield (
            f"Whether neighbouring rows depend on each other is not known in {_list(unknown)}: {known}. "
            f"A monitor takes them for independent; if they are not, {VOID}.{advice}"
        )
    if profile.time is None and len(missing) < len(profile.features):
        yield (
            "'design effect' was measured in the order of the rows. It is right only if they came in that "
            "order: of shuffled rows it is 1, whatever they are, and a monitor may give false alarms. Name "
            "the column of their times with --time; if there is none, say --unordered."
        )


def _costs(profile: "Profile") -> Iterator[str]:
    """Yield where a monitor with the usual floor sees little, and why."""
    from mlobs.drift.bins import Bins
    from mlobs.drift.detector import Detector, Reference
    from mlobs.drift.floors import FLOOR

    features = profile.features
    found = Detector([Reference.of(Bins(feature)) for feature in features.values()], floor=FLOOR)
    blind = []
    for name, divisor, least in zip(features, found.effect.tolist(), found.floor_whole.tolist(), strict=True):
        if divisor > DIVIDED or least > BLIND:
            worth = f"; {divisor:,.0f} rows count as one" if divisor > DIVIDED else ""
            blind.append((least, f"{name} (more than {least:.0%}{worth})"))
    if not blind:
        return
    told = [words for _, words in sorted(blind, key=lambda one: -one[0])]
    whole = [feature for feature in features.values() if feature.rows]
    advice = "More rows of reference help."
    if profile.time is None:
        advice = "If the rows follow the hours of the day, --time and --season help; else more rows do."
    elif not any(feature.slots for feature in whole):
        advice = "If that comes from the hours of the day or week, --season helps; else more rows do."
    yield (
        f"A monitor with the floor {FLOOR} sees little in {_list(told)}: so large a share of the values has "
        f"to move before it can give an alarm, and it needs so many times more rows, because the reference "
        f"is small, or its rows come in bursts and waves. {advice}"
    )


def _list(names: list[str]) -> str:
    more = len(names) - NAMES_MAX
    return ", ".join(names[:NAMES_MAX]) + (f" and {more} more" if more > 0 else "")
