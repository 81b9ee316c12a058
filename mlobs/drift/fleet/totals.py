"""What a store says of one feature: its bins' counts by now, and the reference to compare them with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlobs.drift.feature import ABOVE, BELOW, NULL, OTHER, REST

BINS_MAX = 256
COUNT_MAX = 2**53
Count = Annotated[int, Field(ge=0, le=COUNT_MAX)]
LAST = {REST: 1, ABOVE: 1, NULL: 2, OTHER: 3}


class Who(NamedTuple):
    """Whose features: one promise holds for all of these together."""

    service: str
    model: str
    version: str
    ref: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Total:
    """What one feature's bins hold by now, over all processes and their starts.

    Args:
        who: Service, model, version and the profile's ref.
        feature: The column.
        segment: "" for all rows.
        counts: Live values so far, by bin.
        ratios: The reference's share of each bin.
        reference_rows: That the shares were taken from.
        design_effect: Of the reference; None if nobody says.
        floor: The total variation not worth an alarm; None if nobody says.
        gaps: From each bin's values to those of the next, in standard deviations.
        ranges: The values a bin holds, as a person reads it, where its name does not say it.
        processes: That were heard of lately.
        sent_s: When the last of them was, in seconds since 1970.
        kept: What will be left of the counts from the next answer on, without the processes that have not
            been heard of for long; None if all of it.
    """

    who: Who
    feature: str
    segment: str
    counts: Mapping[str, int]
    ratios: Mapping[str, float]
    reference_rows: float
    design_effect: float | None = None
    floor: float | None = None
    gaps: Mapping[str, float]
    ranges: Mapping[str, str] = field(default_factory=dict)
    processes: int
    sent_s: float
    kept: Mapping[str, int] | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Total":
        """Return what a row of the store's answer says. Numbers nobody can have counted are left out."""
        return cls(
            who=Who(row["service"], row["model"], row["version"], row["ref"]),
            feature=row["feature"],
            segment=row["segment"],
            counts={name: round(count) for name, count in row["counts"] if _countable(count)},
            ratios={name: ratio for name, ratio in row["ratios"] if _countable(ratio)},
            reference_rows=row["reference_rows"] if _countable(row["reference_rows"]) else 0,
            design_effect=row["design_effect"] if _countable(row["design_effect"]) else None,
            floor=row["floor"] if row["is_floored"] and _countable(row["floor"]) else None,
            gaps={name: gap for name, gap in row["gaps"] if _countable(gap)},
            ranges=dict(row["ranges"]),
            processes=row["processes"],
            sent_s=row["sent_s"],
            kept={name: round(count) for name, count in row["kept"] if _countable(count)}
            if row["kept"]
            else None,
        )


class Learnt(BaseModel):
    """One feature, as it was when it was first heard of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: str
    bins: tuple[str, ...] = Field(min_length=2, max_length=BINS_MAX)
    reference: tuple[Count, ...]
    design_effect: float = Field(ge=1, allow_inf_nan=False)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.reference) != len(self.bins) or not any(self.reference):
            raise ValueError("the reference must have a count for each bin, and one above 0")
        return self

    @classmethod
    def of(cls, total: Total) -> "Learnt | None":
        """Return the feature, or None as long as its reference is not whole."""
        if not total.reference_rows or not 2 <= len(total.ratios) <= BINS_MAX:
            return None
        if abs(sum(total.ratios.values()) - 1) > 1e-6:  # some of its bins are still on their way
            return None
        bins = in_order(total.ratios)
        reference = tuple(round(total.ratios[name] * total.reference_rows) for name in bins)
        if not any(reference):
            return None
        return cls(
            feature=total.feature,
            bins=tuple(bins),
            reference=reference,
            design_effect=max(total.design_effect or 1.0, 1.0),
        )


def in_order(bins: Iterable[str]) -> list[str]:
    """Return the names of bins in the order of their axis, or of their names; reserved ones last.

    >>> in_order(["__other__", "__above__", "01", "00", "__null__", "__below__"])
    ['__below__', '00', '01', '__above__', '__null__', '__other__']
    """
    return sorted(bins, key=lambda name: (-1 if name == BELOW else LAST.get(name, 0), len(name), name))


def _countable(value: float | None) -> bool:
    return value is not None and isfinite(value) and 0 <= value <= COUNT_MAX
