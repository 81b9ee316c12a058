"""What a check found: plain data, and the sentences that follow from it."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from mlobs.drift.bars import Bar
from mlobs.drift.floors import Floor
from mlobs.drift.intervals import Interval
from mlobs.drift.measures import Distances, Move
from mlobs.drift.schema import MISSING_COLUMN

Verdict = Literal["schema change", "drifted", "insufficient data", "stable", "new column"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)  # those that ask most of a reader first
Role = Literal["feature", "prediction", "target", "error"]

SUMMARIES: dict[Verdict, str] = {
    "schema change": "changed type",
    "drifted": "drifted",
    "insufficient data": "had no verdict for want of data",
}
NAMES_SHOWN = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """How far the mean vector of an embedding has moved, in units of the reference's spread.

    Args:
        seen: The distance of the two means.
        debiased: With what chance adds to it taken off, at least 0.
        at_least: What it is at least, but for the check's error.
    """

    seen: float
    debiased: float
    at_least: float

    @property
    def noise(self) -> float:
        """Return what chance adds, in the root mean square; only known where something is left without it."""
        return float((self.seen**2 - self.debiased**2) ** 0.5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What a check says about one column, in all rows or in those of one segment.

    Args:
        column: Its name.
        verdict: See `check`.
        reason: What changed in the schema, why there is no verdict, or "".
        kind: Of the feature; None if the profile has none.
        role: What the column is to the model.
        floor: The share of its values that may sit in the wrong bin; None if it was not compared.
        rows: Live rows.
        reference_rows: Rows in the profile's counts.
        distances: How far apart the counts are.
        psi_debiased: PSI with what chance adds to it taken off. Below 0 it is less than chance.
        intervals: 90 % intervals of the distances, if they were asked for. See `intervals`.
        tv_lower_bound: At least this share of live values sits in the wrong bin; None if unknown.
        missing_ratio: Share of live values that are null or NaN.
        unseen_ratio: Share that the reference did not have: a new level, or not a number. Of many levels
            a profile forgets the rarest; the share that those had in the reference is taken off.
        outside_ratio: Share below the smallest or above the largest reference value.
        mean: Of the live values; of a text's lengths. None if there is none.
        reference_mean: The same of the reference.
        shift: Of an embedding.
        moves: The bins that changed most.
        bars: Every bin, if they were asked for.
        drifted: The counts prove drift, also where the verdict is that the schema has changed.
    """

    column: str
    verdict: Verdict
    reason: str = ""
    kind: str | None = None
    role: Role = "feature"
    floor: float | None = None
    rows: int
    reference_rows: int
    distances: Distances = field(default_factory=Distances)
    psi_debiased: float | None = None
    intervals: dict[str, Interval] = field(default_factory=dict)
    tv_lower_bound: float | None = None
    missing_ratio: float | None = None
    unseen_ratio: float | None = None
    outside_ratio: float | None = None
    mean: float | None = None
    reference_mean: float | None = None
    shift: Shift | None = None
    moves: tuple[Move, ...] = ()
    bars: tuple[Bar, ...] = ()
    drifted: bool = False

    @property
    def moved(self) -> bool:
        """Return whether the column has drifted or changed its schema."""
        return self.verdict in {"drifted", "schema change"}

    @property
    def evidence(self) -> tuple[int, float, float]:
        """Return what sorts findings: by verdict, then by what is proven, then by what was measured."""
        return (VERDICTS.index(self.verdict), -(self.tv_lower_bound or 0.0), -(self.distances.tv or 0.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """What a check says about the rows of one segment.

    Args:
        label: The values that make it, joined by a bar. `__rest__` has the rows of all others.
        rows: Live rows.
        ratio: Their share of all live rows.
        reference_ratio: The share that the segment had in the reference.
        drifted: The columns that drifted in these rows, those with most evidence first.
        stable: How many columns did not.
        insufficient: How many had too few rows for a verdict.
    """

    label: str
    rows: int
    ratio: float
    reference_ratio: float
    drifted: tuple[Finding, ...]
    stable: int
    insufficient: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What moved: the findings, those with most evidence first.

    Args:
        model: Of the profile.
        profile_ref: Which profile it was.
        rows: Live rows.
        floor: The share of values that may sit in the wrong bin, or "learned": each finding has its own.
        error: The probability that any verdict `drifted` is wrong.
        seasonal: The reference was that of the hours of the week in which the live rows came.
        by: The columns that make the segments.
        findings: On all rows.
        segments: Those with most columns that drifted first.
        notes: What could not be looked at, in sentences.
    """

    model: str | None
    profile_ref: str
    rows: int
    floor: Floor
    error: float
    seasonal: bool = False
    by: tuple[str, ...] = ()
    findings: tuple[Finding, ...]
    segments: tuple[Segment, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def moved(self) -> bool:
        """Return whether anything has drifted or changed its schema, in all rows or in a segment."""
        return any(finding.moved for finding in self.findings) or any(one.drifted for one in self.segments)

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
        missing = [f.column for f in self.findings if f.reason == MISSING_COLUMN]
        drifted = [f.column for f in self.findings if f.drifted]
        groups = [("is missing" if len(missing) == 1 else "are missing", missing)]
        for verdict, words in SUMMARIES.items():
            found = drifted if verdict == "drifted" else self.columns(verdict)
            groups.append((words, [name for name in found if name not in missing]))
        count = len(self.compared)
        calm = "No change is proven." if self.columns("insufficient data") else "Nothing moved."
        parts = [] if self.moved else [calm]
        for words, names in groups:
            how_many = "The only column" if count == 1 else f"{len(names)} of {count} columns"
            parts += [f"{how_many} {words}: {_listed(names)}."] if names else []
        inside = [one.label for one in self.segments if one.drifted]
        if inside:
            parts.append(f"{len(inside)} of {len(self.segments)} segments drifted: {_listed(inside)}.")
        return " ".join(parts)

    @property
    def legend(self) -> str:
        """Return the sentence that says when a column has drifted."""
        return (
            f"'drifted' means: with both samples' errors taken off, more than {self.floor_words} of the "
            f"values sit in the wrong bin. The chance that any such verdict here is wrong is at most "
            f"{self.error:g}."
        )

    @property
    def floor_words(self) -> str:
        """Return the floor as a share, or how it came about."""
        return "each column's learned share" if isinstance(self.floor, str) else f"{self.floor * 100:g}%"

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain dicts and lists."""
        return {"moved": self.moved, "summary": self.summary, **asdict(self)}


def _listed(names: list[str]) -> str:
    """Return names in a row, but not a thousand of them.

    >>> _listed(["a", "b"]), _listed([str(i) for i in range(12)])
    ('a, b', '0, 1, 2, 3, 4, 5, 6, 7 and 4 more')
    """
    more = len(names) - NAMES_SHOWN
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:NAMES_SHOWN])} and {more} more"
