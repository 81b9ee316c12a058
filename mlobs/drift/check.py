"""Judges one batch of data by a profile: `check(profile, data)`.

A feature has drifted if, with both samples' errors taken off, more than `floor` of its values still
sit in the wrong bin:

    TV(live, reference) - bound(live rows) - bound(reference rows) > floor

where TV is the total variation over the online bins and `bound` is `deviation_bound` with the
error divided by twice the number of tests, so that all verdicts `drifted` of one check together
are wrong with a probability of at most `error`. Rows are divided by the design effect. An embedding has
drifted also if its mean vector has moved by more than `floor` spreads of the reference, chance taken
off (`mean_shift`); that is a second test.

A feature is stable if it has not drifted, the two bounds are together at most `BLUNT`, and what was seen
is no more than `floor` and chance explain: the total variation is at most what chance shows (`chance`), or
its 90 % interval (`intervals`) reaches down to the floor; and so with the mean vector. Otherwise a verdict
would be a guess, and it says `insufficient data`; so it does of labels and predictions that are not there
yet.

A column that is missing, or is of another type (`schema`), is a `schema change`, and moves like drift; if
it has drifted as well, its finding says so. A `new column` is told and moves nothing: the model does not
read it.

If the profile has segments, each feature is judged in each segment, too. If it has counts by the hour of
the week and the data its times, live rows are compared with the hours in which they came.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import numpy as np

from mlobs.drift.finding import Finding, Report, Role, Segment
from mlobs.drift.floors import FLOOR, LEARNED, Floor, floor_of, refuse_no_floor
from mlobs.drift.frames import batches
from mlobs.drift.intake import Intake
from mlobs.drift.judging import Rule, judge, judge_part
from mlobs.drift.profile import Profile
from mlobs.drift.schema import MISSING_COLUMN
from mlobs.errors import ProfileError

CHANCE_OF_ERROR = 0.001


def check(
    profile: Profile,
    data: Any,
    *,
    columns: Sequence[str] | None = None,
    floor: Floor = FLOOR,
    error: float = CHANCE_OF_ERROR,
    intervals: bool = False,
    bars: bool = False,
) -> Report:
    """Compare `data` with `profile` and say what moved. The module says by which rule.

    Args:
        profile: Of the data the model was trained on.
        data: As for `Profile.of`.
        columns: Only these; all of the profile if None.
        floor: The share of values that may sit in the wrong bin; "learned" for what each column's own days
            in the reference did, where the profile knows it, and 0.05 elsewhere.
        error: The probability that any column of the report is called drifted wrongly.
        intervals: Say how much of each distance may be chance, about 2 ms a feature.
        bars: Keep every bin, to be drawn.

    Raises:
        ProfileError: A column was asked for that the profile does not have.
        SettingError: The floor is no share.
        DataError: The data cannot be read.
    """
    refuse_no_floor(floor)
    unknown = [name for name in columns or () if name not in profile.features]
    if unknown:
        raise ProfileError(
            f"The profile has no column {', '.join(map(repr, unknown))}. "
            f"Columns of the profile: {', '.join(sorted(profile.features))}."
        )
    intake = Intake(profile, [name for name in profile.features if columns is None or name in columns])
    for batch in batches(data):
        intake.add(batch)
    embeddings = sum(profile.features[name].kind == "embedding" for name in intake.tallies)
    tests = max(len(intake.tallies) * (1 + len(intake.labels)) + embeddings, 1)
    share = error / (2 * tests)
    rules = {
        name: Rule(
            floor=floor_of(floor, profile.features[name].learned_floor),
            error=share,
            intervals=intervals,
            bars=bars,
        )
        for name in intake.tallies
    }
    findings = [_finding(profile, intake, name, rules[name]) for name in intake.tallies]
    if columns is None:
        findings += [_told(name, "not in the profile", intake.rows) for name in intake.extra]
    return Report(
        model=profile.model,
        profile_ref=profile.ref,
        rows=intake.rows,
        floor=floor,
        error=error,
        seasonal=intake.seasonal,
        by=profile.by if intake.labels else (),
        findings=tuple(sorted(findings, key=lambda finding: finding.evidence)),
        segments=tuple(_segments(intake, rules)),
        notes=(*intake.notes, *_notes(profile, intake, floor)),
    )


def _finding(profile: Profile, intake: Intake, name: str, rule: Rule) -> Finding:
    feature = profile.features[name]
    role = _role(profile, name)
    late = intake.unlabelled.get(name)
    if late is not None or name in intake.uncounted:
        return Finding(
            column=name,
            verdict="schema change" if late is None else "insufficient data",
            reason=late or intake.changes[name],
            kind=feature.kind,
            role=role,
            floor=rule.floor,
            rows=0,
            reference_rows=feature.rows,
        )
    found = judge(name, intake.tallies[name], rule, seasonal=intake.seasonal)
    change, drifted = intake.changes.get(name), found.verdict == "drifted"
    if change is None:
        return replace(found, role=role)
    # Values of another type are no drift besides; what is left without them may be.
    drifted = drifted and (found.tv_lower_bound or 0.0) - (found.unseen_ratio or 0.0) > rule.floor
    reason = f"{change}; drifted as well" if drifted else change
    return replace(found, role=role, verdict="schema change", reason=reason, drifted=drifted)


def _notes(profile: Profile, intake: Intake, floor: Floor) -> Iterator[str]:
    """Yield what a reader of the findings should know besides."""
    by_case = {name.casefold(): name for name in intake.extra}
    for name, change in intake.changes.items():
        like = get_close_matches(name.casefold(), by_case, 1) if change == MISSING_COLUMN else []
        if like:
            yield f"The column {name!r} is missing, and {by_case[like[0]]!r} is new: was it renamed?"
    plain = [name for name in intake.tallies if profile.features[name].learned_floor is None]
    if floor == LEARNED and plain:
        of = "any column" if len(plain) == len(intake.tallies) else ", ".join(plain)
        yield (
            f"The profile learned no floor of {of}, so {FLOOR:g} was taken. It learns one from ten days or "
            f"more: mlobs drift profile DATA --time NAME -o FILE"
        )


def _role(profile: Profile, name: str) -> Role:
    if name == profile.prediction:
        return "prediction"
    if name == profile.target:
        return "target"
    return "error" if name == profile.error else "feature"


def _told(name: str, reason: str, rows: int) -> Finding:
    return Finding(column=name, verdict="new column", reason=reason, rows=rows, reference_rows=0)


def _segments(intake: Intake, rules: Mapping[str, Rule]) -> list[Segment]:
    """Return what is to be said about each segment, those with most columns that drifted first."""
    found = []
    for place, label in enumerate(intake.labels):
        rows = reference_rows = 0
        judged = []
        for name, tally in intake.tallies.items():
            live = tally.segments[place]
            reference = np.array(intake.profile.segments[label][name], dtype=np.int64)
            rows, reference_rows = max(rows, int(live.sum())), max(reference_rows, int(reference.sum()))
            if name not in intake.uncounted and name not in intake.unlabelled:
                rule = replace(rules[name], intervals=False, bars=False)
                one = judge_part(name, tally.bins, live, reference, rule)
                judged.append(replace(one, role=_role(intake.profile, name)))
        if not rows and not reference_rows:  # such as the rest, where every segment has a name
            continue
        drifted = sorted((one for one in judged if one.moved), key=lambda one: one.evidence)
        found.append(
            Segment(
                label=label,
                rows=rows,
                ratio=rows / max(intake.rows, 1),
                reference_ratio=reference_rows / max(_reference_rows(intake), 1),
                drifted=tuple(drifted),
                stable=sum(one.verdict == "stable" for one in judged),
                insufficient=sum(one.verdict == "insufficient data" for one in judged),
            )
        )
    return sorted(found, key=lambda one: (-len(one.drifted), -one.rows, one.label))


def _reference_rows(intake: Intake) -> int:
    """Return how many reference rows the segments have together."""
    segments = intake.profile.segments.values()
    return sum(max((sum(counts) for counts in one.values()), default=0) for one in segments)
