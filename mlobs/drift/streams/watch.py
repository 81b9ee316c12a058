"""What a monitor says about one feature, and what it has counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mlobs.drift.measures import Distances, Move
from mlobs.drift.streams.traces import Trace


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """What a monitor says about one feature.

    Args:
        feature: The column, or `prediction`, `target` or `error`.
        segment: The rows it is about, such as "de|mobile"; "" for all rows.
        rows: Live rows so far.
        log_e: Evidence that the feature has moved, in nats; while the alarm stands, what raised it.
        threshold: The evidence that raises an alarm.
        alarm: Whether it stands.
        raised: When it was raised, or None.
        change_start: When the change began, by estimate, or None.
        distances: Of about the last 33 blocks; after an alarm was raised, of rows since the change.
        floor: The share of values in the wrong bin that a change must exceed to be found: the one asked
            for, or a wider one where the reference itself swings or has few rows; near 1 nothing is found.
        tv_lower_bound: At least this share of live values sits in the wrong bin.
        missing_ratio: Of all live values so far.
        unseen_ratio: Of all live values so far.
        outside_ratio: Of all live values so far; None for features without an axis.
        moves: The bins that changed most, in the rows of `distances`.
        traces: Of rows that fell into the bins that grew, since the change if there is an alarm; at
            most eight, the newest last.
    """

    feature: str
    segment: str
    rows: int
    log_e: float
    threshold: float
    alarm: bool
    raised: datetime | None
    change_start: datetime | None
    distances: Distances
    floor: float
    tv_lower_bound: float
    missing_ratio: float | None
    unseen_ratio: float | None
    outside_ratio: float | None
    moves: tuple[Move, ...]
    traces: tuple[Trace, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """What was counted of one feature, beside its reference; in the order of `bins`.

    Args:
        feature: As in `Watch`.
        segment: As in `Watch`.
        ref: The version of the profile whose bins these are.
        bins: Their names.
        ranges: The values they hold, as a person reads it; "" where the name says it.
        live: Rows by bin, in this process.
        reference: Rows by bin, in the profile.
        design_effect: How much more counts vary than those of independent rows would; what the detector
            divides by.
        floor: The total variation that the detector lets pass, which may be wider than the given one
            where the reference itself swings; for hours of the week with references of their own, plus
            how far those are from that of the whole week.
        gaps: From where the values of a bin along the axis are to where those of the next one are, in
            standard deviations; one less than there are such bins, none without an axis.
    """

    feature: str
    segment: str
    ref: str
    bins: Sequence[str]
    ranges: Sequence[str]
    live: Sequence[int]
    reference: Sequence[int]
    design_effect: float
    floor: float
    gaps: Sequence[float]
