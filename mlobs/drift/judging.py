"""The verdict on one feature, from its counts. `check` says by which rule."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlobs.drift import distances
from mlobs.drift.bars import Bar, fine_bars, online_bars
from mlobs.drift.bins import Bins
from mlobs.drift.centroids import unpack
from mlobs.drift.distances import Doubles, Stacked
from mlobs.drift.feature import ABOVE, BELOW, NULL, OTHER, Feature, Unrest
from mlobs.drift.finding import Finding, Shift, Verdict
from mlobs.drift.intervals import Interval, Samples, intervals
from mlobs.drift.measures import Counts, Distances, measure, measure_online, moves, online_places, ratio
from mlobs.drift.sequential.samples import Allowance
from mlobs.drift.tally import Spread, Tally

BLUNT = 0.2
CHANCE_SIGMAS = 3.0
TOO_FEW = "too few rows"
UNPROVEN = "more than chance shows, but too few rows to prove it"
ROWS_TOLD_MAX = 1e9
ROWS_TOLD_STEP = 1.02
AXIS_ROWS_MIN = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """By what a feature is judged.

    Args:
        floor: The share of values that may sit in the wrong bin.
        error: The probability that this one verdict is wrong.
        intervals: Work out how much of each distance may be chance.
        bars: Keep every bin, to be drawn.
    """

    floor: float
    error: float
    intervals: bool = False
    bars: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """The part of the reference that live rows are compared with, by online bin, and what it is worth."""

    counts: Counts
    rows: float
    unrest: Unrest = ()


def judge(name: str, tally: Tally, rule: Rule, *, seasonal: bool = False) -> Finding:
    """Return the finding on a feature in all rows.

    Args:
        name: Of the column.
        tally: Of the live rows.
        rule: By which to judge.
        seasonal: Compare with the hours of the week in which the live rows came.
    """
    bins, counts = tally.bins, tally.counts
    feature, online = bins.feature, tally.bins.coarse(counts)
    if seasonal and feature.slots and tally.slots.sum():
        part = in_season(feature, online, tally.slots)
        found, whole = measure_online(bins, online, part.counts), online_places(bins)
    else:
        part = Part(bins.coarse(feature.counts), feature.rows, feature.unrest)
        found, whole = measure(bins, counts), None
    drawn: tuple[Bar, ...] = ()
    if rule.bars:
        drawn = fine_bars(bins, counts) if whole is None else online_bars(bins, online, part.counts)
    shift = mean_shift(feature, tally.vectors, rule.error)
    mean = tally.moments.of_numbers().get("mean") if bins.numeric else None
    return _finding(
        name, bins, online, part, found, rule, shift=shift, bars=drawn,
        mean=mean if isinstance(mean, float) else None, reference_mean=feature.mean,
    )  # fmt: skip


def judge_part(name: str, bins: Bins, live: Counts, reference: Counts, rule: Rule) -> Finding:
    """Return the finding on a feature in the rows of one segment, beside those of the reference."""
    found = measure_online(bins, live, reference)
    part = Part(reference, float(reference.sum()), bins.feature.unrest)
    return _finding(name, bins, live, part, found, rule)


def in_season(feature: Feature, live: Counts, slots: Counts) -> Part:
    """Return what the reference has in the hours of the week of the live rows, weighted like those.

    An hour of which the reference knows nothing, and rows without a time, count as the whole reference.
    A mixture of shares is worth as many rows as its variance says: 1 / sum(weight^2 / rows).

    Args:
        feature: With counts by hour.
        live: Live counts by online bin, shape (bins,).
        slots: The same by hour, shape (168, bins).
    """
    table = np.array(feature.slots, dtype=np.float64)
    rows, weights = table.sum(axis=1), slots.sum(axis=1) / max(live.sum(), 1)
    known = rows > 0
    whole = table.sum(axis=0)
    rest = max(1.0 - float(weights[known].sum()), 0.0)
    shares = (table[known] / rows[known, None] * weights[known, None]).sum(axis=0)
    shares = shares + rest * whole / whole.sum()
    variance = float((weights[known] ** 2 / rows[known]).sum()) + rest**2 / float(whole.sum())
    worth = 1 / variance
    return Part(shares * worth, worth, feature.unrest_by_hour_of_week or feature.unrest_by_hour_of_day)


def mean_shift(feature: Feature, live: Spread, error: float) -> Shift | None:
    """Return how far the mean vector has moved, in units of the reference's spread; None if not known.

    By chance the two means of unchanged vectors are sqrt(1 / rows + 1 / reference rows) spreads apart,
    in the root mean square. The mean of many vectors is close to normal, and the length of a normal
    vector exceeds its root mean square by the factor 1 + sqrt(2 ln(1 / error)) with a probability of at
    most `error`; that is what `at_least` takes off.

    Source: Borell, Invent. Math. 30 (1975) 207, for the length of normal vectors.
    """
    if not (feature.spread and feature.mean_vector and live.finite):
        return None
    effect = feature.design_effect or 1.0
    away = live.mean - unpack(feature.mean_vector, feature.width)[0]
    seen = float(np.sqrt((away.astype(np.float64) ** 2).sum())) / feature.spread
    noise = effect * (1 / live.finite + 1 / max(feature.rows, 1))
    reach = np.sqrt(noise) * (1 + np.sqrt(2 * np.log(1 / error)))
    return Shift(
        seen=seen,
        debiased=float(np.sqrt(max(seen**2 - noise, 0.0))),
        at_least=float(max(seen - reach, 0.0)),
    )


def chance(reference: Counts, live: Counts, reference_rows: float, rows: float) -> float:
    """Return the total variation that two samples of the same data seldom exceed: its mean and 3 sigma.

    Shares are close to normal with the variance p (1 - p) (1 / rows + 1 / reference rows), and an absolute
    normal value has the mean sigma sqrt(2 / pi). This is no bound, so nothing is called drifted by it;
    what exceeds it is not called stable either.
    """
    law = reference / reference.sum() * reference_rows + live / live.sum() * rows
    law = law / law.sum()
    variance = law * (1 - law) * (1 / rows + 1 / reference_rows)
    mean = np.sqrt(variance * 2 / np.pi).sum() / 2
    spread = np.sqrt(variance.sum() * (1 - 2 / np.pi)) / 2
    return float(mean + CHANCE_SIGMAS * spread)


def _exceeds(reference: Counts, live: Counts, reference_rows: float, rows: float, floor: float) -> bool:
    """Return whether more is seen than `floor` and chance explain, by the noise and by the interval."""
    seen = distances.total_variation(reference, live)
    if seen <= floor or seen <= chance(reference, live, reference_rows, rows):
        return False
    samples = Samples(reference.astype(np.float64), live.astype(np.float64), reference_rows, rows)
    found = intervals(samples, {"tv": distances.STACKED["tv"]})
    return "tv" in found and found["tv"][0] > floor


@dataclass(frozen=True, slots=True)
class _Bounds:
    """How far samples of a feature's bins may lie from the truth, and which rows would bring them nearer."""

    bins: int
    error: float
    effect: float
    part: Part
    floor: float

    def slack(self, rows: float) -> float:
        """Return what live rows and reference may be off together, by the reference's unrest if known."""
        if self.part.unrest:
            allowed = Allowance(self.part.unrest, self.bins, self.error, self.floor)
            return allowed.of_live(rows) + allowed.of_reference(self.part.rows)
        return self._of(rows) + self._of(self.part.rows)

    def wanting(self, reason: str, rows: int, slack: float) -> str:
        """Return why there is no verdict, and about how many live rows would bring it."""
        dependent = f"; design effect {self.effect:.1f}" if self.effect > 1 else ""
        few, many = float(max(rows, 1)), ROWS_TOLD_MAX
        if self.slack(many) > slack:
            return f"{reason} (the reference has too few as well{dependent})"
        while many > ROWS_TOLD_STEP * few:
            middle = (few * many) ** 0.5
            few, many = (few, middle) if self.slack(middle) <= slack else (middle, many)
        return f"{reason} (about {float(f'{many:.2g}'):,.0f} live rows would do{dependent})"

    def _of(self, rows: float) -> float:
        return distances.deviation_bound(self.bins, rows / self.effect, self.error)


def _more(now: float | None, before: float | None) -> float | None:
    """Return by how much a share has grown: rare levels that a profile forgets are not new ones."""
    return None if now is None else max(now - (before or 0.0), 0.0)


def _finding(
    name: str, bins: Bins, online: Counts, part: Part, found: Distances, rule: Rule,
    *, shift: Shift | None = None, bars: tuple[Bar, ...] = (),
    mean: float | None = None, reference_mean: float | None = None,
) -> Finding:  # fmt: skip
    feature, rows = bins.feature, int(online.sum())
    effect = feature.design_effect or 1.0
    worth, reference_worth = rows / effect, part.rows / effect
    bounds = _Bounds(len(bins.coarse_names), rule.error, effect, part, rule.floor)
    slack = bounds.slack(rows)
    lower = None if found.tv is None else max(found.tv - slack, 0.0)
    verdict: Verdict = "stable"
    reason = ""
    if (lower is not None and lower > rule.floor) or (shift is not None and shift.at_least > rule.floor):
        verdict = "drifted"
    elif slack > BLUNT or found.tv is None:
        verdict, reason = "insufficient data", bounds.wanting(TOO_FEW, rows, BLUNT)
    elif _exceeds(part.counts, online, reference_worth, worth, rule.floor):
        verdict, reason = "insufficient data", bounds.wanting(UNPROVEN, rows, found.tv - rule.floor)
    elif shift is not None and shift.debiased > rule.floor and shift.seen > CHANCE_SIGMAS * shift.noise:
        verdict, reason = "insufficient data", f"mean vector {shift.debiased:.2f} spreads away: {UNPROVEN}"
    debiased = None
    if found.psi is not None:
        debiased = found.psi - distances.psi_bias(part.counts, online, reference_worth, worth) + 0.0
    return Finding(
        column=name,
        verdict=verdict,
        reason=reason,
        kind=feature.kind,
        floor=rule.floor,
        rows=rows,
        reference_rows=feature.rows if feature.rows == part.rows else round(part.rows),
        distances=found,
        psi_debiased=debiased,
        intervals=_intervals(bins, online, part, found, effect) if rule.intervals and rows else {},
        tv_lower_bound=lower,
        missing_ratio=ratio(bins.coarse_names, online, NULL),
        unseen_ratio=_more(
            ratio(bins.coarse_names, online, OTHER), ratio(bins.coarse_names, part.counts, OTHER)
        ),
        outside_ratio=ratio(bins.coarse_names, online, BELOW, ABOVE) if bins.numeric else None,
        mean=mean,
        reference_mean=reference_mean,
        shift=shift,
        moves=moves(bins, online, part.counts),
        bars=bars,
        drifted=verdict == "drifted",
    )


def _intervals(
    bins: Bins, online: Counts, part: Part, found: Distances, effect: float
) -> dict[str, Interval]:
    """Return the intervals of what was found. Those along the axis are of the online bins, to scale."""
    places = online_places(bins)
    asked: dict[str, Stacked] = {name: distances.STACKED[name] for name in ("psi", "js", "tv")}
    on_axis = min(float(online[: len(places)].sum()), float(part.counts[: len(places)].sum())) / effect
    if on_axis >= AXIS_ROWS_MIN and found.ks is not None:
        asked["ks"] = _cut(distances.STACKED["ks"], len(places))
        if found.w1 is not None and bins.feature.std:
            asked["w1"] = _cut(distances.stacked_wasserstein(places, bins.feature.std), len(places))
    live, reference = online.astype(np.float64), part.counts.astype(np.float64)
    got = intervals(Samples(reference, live, part.rows / effect, live.sum() / effect), asked)
    scale: Mapping[str, float | None] = {"ks": found.ks, "w1": found.w1}
    for name in asked.keys() & scale.keys() & got.keys():
        coarse, fine = float(asked[name](reference, live)), scale[name]
        if coarse and fine is not None:
            got[name] = (got[name][0] * fine / coarse, got[name][1] * fine / coarse)
    if "ks" in got:
        got["ks"] = (got["ks"][0], min(got["ks"][1], 1.0))
    return got


def _cut(distance: Stacked, bins: int) -> Stacked:
    """Return a distance that looks at the first bins only."""

    def of_first(reference: Counts, live: Counts) -> Doubles:
        return distance(reference[..., :bins], live[..., :bins])

    return of_first
