"""Adds profiles that were counted by the same bins.

Counts are added. What was measured by blocks and days cannot be added: of the design effect the mean by
rows is taken, of the learned floor and of the unrest the larger one, because it must hold for both.
"""

from collections.abc import Mapping
from math import sqrt

from mlobs.drift.centroids import pack, unpack
from mlobs.drift.feature import REST, Feature, Unrest
from mlobs.drift.profile import Profile
from mlobs.drift.segments import SEGMENTS_MAX
from mlobs.errors import ProfileError

MEASURED = {
    "counts",
    "design_effect",
    "unrest",
    "unrest_by_hour_of_day",
    "unrest_by_hour_of_week",
    "learned_floor",
    "mean",
    "std",
    "slots",
    "mean_vector",
    "spread",
    "dtype",
}

Segments = Mapping[str, Mapping[str, tuple[int, ...]]]


def merged(one: Profile, other: Profile) -> Profile:
    """Return one profile of the rows of both.

    Raises:
        ProfileError: Their bins differ.
    """
    for what in ("prediction", "target", "time", "by"):
        if getattr(one, what) != getattr(other, what):
            raise _unlike(
                f"{what} is {getattr(one, what)!r} in one and {getattr(other, what)!r} in the other"
            )
    if set(one.features) != set(other.features):
        differ = sorted(set(one.features) ^ set(other.features))
        raise _unlike(f"only one of them has {', '.join(map(repr, differ))}")
    for name, feature in one.features.items():
        if feature.model_dump(exclude=MEASURED) != other.features[name].model_dump(exclude=MEASURED):
            raise _unlike(f"the bins of {name!r} differ")
    return one.model_copy(
        update={
            "model": one.model if one.model == other.model else None,
            "rows": one.rows + other.rows,
            "excluded": {**one.excluded, **other.excluded},
            "features": {name: _feature(f, other.features[name]) for name, f in one.features.items()},
            "segments": _segments(one.segments, other.segments),
        }
    )


def _unlike(reason: str) -> ProfileError:
    return ProfileError(
        f"The profiles cannot be merged: {reason}. Wanted: profiles counted by the same bins. "
        f"Make the second one with: mlobs drift profile DATA --like FIRST -o SECOND"
    )


def _feature(one: Feature, other: Feature) -> Feature:
    whole = one.rows + other.rows
    effects = [
        f.design_effect * f.rows / whole for f in (one, other) if f.design_effect is not None and whole
    ]
    floors = [f.learned_floor for f in (one, other) if f.learned_floor is not None]
    found: dict[str, object] = {
        "counts": tuple(map(sum, zip(one.counts, other.counts, strict=True))),
        "design_effect": max(round(sum(effects), 2), 1.0) if len(effects) == 2 else None,
        "unrest": _unrest(one.unrest, other.unrest),
        "unrest_by_hour_of_day": _unrest(one.unrest_by_hour_of_day, other.unrest_by_hour_of_day),
        "unrest_by_hour_of_week": _unrest(one.unrest_by_hour_of_week, other.unrest_by_hour_of_week),
        "learned_floor": max(floors) if len(floors) == 2 else None,
        "slots": _sums(one.slots, other.slots) if one.slots and other.slots else (),
        "dtype": one.dtype if one.dtype == other.dtype else None,
    }
    return one.model_copy(update=found | _moments(one, other))


def _unrest(one: Unrest, other: Unrest) -> Unrest:
    """Return the larger effect and swing of each block length; nothing if one of them is not known."""
    if not one or not other:
        return ()
    found: dict[int, tuple[float, float]] = {}
    for rows, effect, swing in (*one, *other):
        before = found.get(rows, (1.0, 0.0))
        found[rows] = (max(before[0], effect), max(before[1], swing))
    return tuple((rows, *found[rows]) for rows in sorted(found))


def _moments(one: Feature, other: Feature) -> dict[str, object]:
    """Return the moments of both together. Rows without a number have no part in them."""
    a, b = (float(sum(f.counts[:-2])) for f in (one, other))
    if a + b == 0:
        return {}
    share = b / (a + b)
    if one.kind == "embedding":
        if one.spread is None or other.spread is None:
            return {"mean_vector": "", "spread": None}
        first, second = unpack(one.mean_vector, one.width)[0], unpack(other.mean_vector, one.width)[0]
        apart = float(((second - first) ** 2).sum())
        square = (1 - share) * one.spread**2 + share * other.spread**2 + share * (1 - share) * apart
        return {"mean_vector": pack(first + share * (second - first)), "spread": sqrt(square)}
    if one.mean is None or other.mean is None or one.std is None or other.std is None:
        return {"mean": None, "std": None}
    step = other.mean - one.mean
    square = (1 - share) * one.std**2 + share * other.std**2 + share * (1 - share) * step**2
    return {"mean": one.mean + share * step, "std": sqrt(square)}


def _sums(
    one: tuple[tuple[int, ...], ...], other: tuple[tuple[int, ...], ...]
) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(map(sum, zip(a, b, strict=True))) for a, b in zip(one, other, strict=True))


def _segments(one: Segments, other: Segments) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the segments of both; those beyond the largest 20 join the rest."""
    if not one and not other:
        return {}
    together = {label: dict(counts) for label, counts in one.items()}
    for label, counts in other.items():
        together[label] = _added(together.get(label), counts)
    labels = [label for label in together if label != REST]
    labels.sort(key=lambda label: -sum(next(iter(together[label].values()), ())))
    rest: dict[str, tuple[int, ...]] | None = together.get(REST)
    for label in labels[SEGMENTS_MAX:]:
        rest = _added(rest, together[label])
    found = {label: together[label] for label in labels[:SEGMENTS_MAX]}
    return found if rest is None else {**found, REST: rest}


def _added(
    one: Mapping[str, tuple[int, ...]] | None, other: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    if one is None:
        return dict(other)
    return {name: tuple(map(sum, zip(one[name], counts, strict=True))) for name, counts in other.items()}
