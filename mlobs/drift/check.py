"""Judges one batch of data by a profile: `check(profile, data)`.

A feature has drifted if, with both samples' errors taken off, more than `floor` of its values still
sit in the wrong bin:

    TV(live, reference) - bound(live rows) - bound(reference rows) > floor

where TV is the total variation over the online bins and `bound` is `deviation_bound` with the
error divided by twice the number of features, so that all verdicts `drifted` of one check together
are wrong with a probability of at most `error`. Rows are divided by the design effect.

A feature is stable if it has not drifted and the two bounds are together at most `BLUNT`; with less
data a verdict would be a guess, and it says `insufficient data`. A column whose kind has changed is a
`schema change`. A `new column` is told and moves nothing: the model does not read it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from mlobs.drift import distances
from mlobs.drift.bins import Bins, Counts
from mlobs.drift.columns import Unusable
from mlobs.drift.frames import batches
from mlobs.drift.measures import Distances, Move, measure, moves, ratio
from mlobs.drift.profile import ABOVE, BELOW, NULL, OTHER, Feature, Profile
from mlobs.errors import ProfileError

FLOOR = 0.05
ERROR = 0.001
BLUNT = 0.2

SUMMARIES: dict["Verdict", str] = {
    "schema change": "changed type",
    "drifted": "drifted",
    "insufficient data": "had too few rows for a verdict",
}

Verdict = Literal["drifted", "schema change", "insufficient data", "stable", "new column"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What a check says about one column.

    Args:
        column: Its name.
        verdict: See the module.
        reason: What changed in the schema, or "".
        rows: Live rows.
        reference_rows: Rows in the profile's counts.
        distances: How far apart the counts are.
        tv_lower_bound: At least this share of live values sits in the wrong bin; None if unknown.
        missing_ratio: Share of live values that are null or NaN.
        unseen_ratio: Share that the reference did not have: a new level, or not a number.
        outside_ratio: Share below the smallest or above the largest reference value.
        moves: The bins that changed most.
    """

    column: str
    verdict: Verdict
    reason: str = ""
    rows: int
    reference_rows: int
    distances: Distances = field(default_factory=Distances)
    tv_lower_bound: float | None = None
    missing_ratio: float | None = None
    unseen_ratio: float | None = None
    outside_ratio: float | None = None
    moves: tuple[Move, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What moved: the findings, those with most evidence first."""

    model: str | None
    profile_ref: str
    rows: int
    floor: float
    error: float
    findings: tuple[Finding, ...]

    @property
    def moved(self) -> bool:
        """Return whether anything has drifted or changed its schema."""
        return any(finding.verdict in {"drifted", "schema change"} for finding in self.findings)

    @property
    def compared(self) -> tuple[Finding, ...]:
        """Return the findings on columns that the profile has."""
        return tuple(finding for finding in self.findings if finding.verdict != "new column")

    def columns(self, verdict: Verdict) -> list[str]:
        """Return the names of the columns with a verdict."""
        return [finding.column for finding in self.findings if finding.verdict == verdict]

    @property
    def judged(self) -> bool:
        """Return whether there was data enough for a verdict on any column."""
        return any(finding.verdict != "insufficient data" for finding in self.compared)

    @property
    def summary(self) -> str:
        """Return the verdict in words: what moved, and what could not be judged."""
        count = len(self.compared)
        of = f"of {count} {'column' if count == 1 else 'columns'}"
        parts = [
            f"{len(names)} {of} {words}: {', '.join(names)}."
            for verdict, words in SUMMARIES.items()
            if (names := self.columns(verdict))
        ]
        return " ".join(parts if self.moved else ["Nothing moved.", *parts])

    @property
    def legend(self) -> str:
        """Return the sentence that says when a column has drifted."""
        return (
            f"'drifted' means: with both samples' errors taken off, more than {self.floor:.0%} of the values "
            f"sit in the wrong bin. The chance that any such verdict here is wrong is at most {self.error:g}."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain dicts and lists."""
        return {"moved": self.moved, **asdict(self)}


def check(
    profile: Profile,
    data: Any,
    *,
    columns: Sequence[str] | None = None,
    floor: float = FLOOR,
    error: float = ERROR,
) -> Report:
    """Compare `data` with `profile` and say what moved. The module says by which rule.

    Args:
        profile: Of the data the model was trained on.
        data: See `frames`; also the `Files` of `readers`.
        columns: Only these; all of the profile if None.
        floor: The share of values that may sit in the wrong bin.
        error: The probability that any column of the report is called drifted wrongly.

    Raises:
        ProfileError: The data has not all the columns of the profile.
        DataError: The data cannot be read.
    """
    unknown = [name for name in columns or () if name not in profile.features]
    if unknown:
        raise ProfileError(
            f"The profile has no column {', '.join(map(repr, unknown))}. "
            f"Columns of the profile: {', '.join(sorted(profile.features))}."
        )
    names = [name for name in profile.features if columns is None or name in columns]
    bins = {name: Bins(profile.features[name]) for name in names}
    counts = {name: np.zeros(len(bins[name].names), np.int64) for name in names}
    changed: dict[str, str] = {}
    rows = 0
    for batch in batches(data):
        missing = [name for name in names if name not in batch.columns]
        if missing:
            raise _missing(missing, batch.columns)
        for name in names:
            column = batch.columns[name]
            places = None if isinstance(column, Unusable) else bins[name].of_column(column)
            if places is None:
                found = column.why if isinstance(column, Unusable) else column.kind
                changed[name] = f"was {profile.features[name].kind}, is {found}"
            else:
                counts[name] += bins[name].counts(places)
        if columns is None:
            changed |= {name: "not in the profile" for name in batch.columns if _is_extra(profile, name)}
        rows += batch.rows
    findings = [_unlike(name, reason, rows, profile.features.get(name)) for name, reason in changed.items()]
    share = error / (2 * max(len(names), 1))
    findings += [_judge(n, bins[n], counts[n], floor, share) for n in names if n not in changed]
    return Report(
        model=profile.model,
        profile_ref=profile.ref,
        rows=rows,
        floor=floor,
        error=error,
        findings=tuple(sorted(findings, key=_evidence)),
    )


def _judge(name: str, bins: Bins, counts: Counts, floor: float, error: float) -> Finding:
    feature, live = bins.feature, int(counts.sum())
    effect = feature.design_effect or 1.0
    kinds = len(bins.coarse_names)
    slack = distances.deviation_bound(kinds, live / effect, error)
    slack += distances.deviation_bound(kinds, feature.rows / effect, error)
    found = measure(bins, counts)
    online = bins.coarse(counts)
    lower = None if found.tv is None else max(found.tv - slack, 0.0)
    verdict: Verdict = "stable" if slack <= BLUNT else "insufficient data"
    if lower is not None and lower > floor:
        verdict = "drifted"
    return Finding(
        column=name,
        verdict=verdict,
        rows=live,
        reference_rows=feature.rows,
        distances=found,
        tv_lower_bound=lower,
        missing_ratio=ratio(bins, online, NULL),
        unseen_ratio=ratio(bins, online, OTHER),
        outside_ratio=ratio(bins, online, BELOW, ABOVE) if bins.numeric else None,
        moves=moves(bins, online),
    )


def _unlike(name: str, reason: str, rows: int, feature: Feature | None) -> Finding:
    return Finding(
        column=name,
        verdict="schema change" if feature else "new column",
        reason=reason,
        rows=rows,
        reference_rows=feature.rows if feature else 0,
    )


def _is_extra(profile: Profile, name: str) -> bool:
    return name not in profile.features and name not in profile.excluded


def _evidence(finding: Finding) -> tuple[bool, float, float]:
    """Sort changed types first, then by the lower bound, then by what was measured."""
    return (
        finding.verdict != "schema change",
        -(finding.tv_lower_bound or 0.0),
        -(finding.distances.tv or 0.0),
    )


def _missing(names: Sequence[str], found: Mapping[str, object]) -> ProfileError:
    return ProfileError(
        f"The data has no column {', '.join(map(repr, names))}; the profile was made with it. "
        f"Columns found: {', '.join(sorted(found))}. "
        f"Rename the column, or make a new profile with: mlobs drift profile DATA -o FILE"
    )
