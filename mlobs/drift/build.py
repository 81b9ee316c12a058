"""Makes a profile from batches of data, in two passes and bounded memory.

The first pass takes a random sample of one half of the rows (`sampling`), which chooses the bins
(`choosing`); the second counts the other half by them (`tally`). Counting by the bins of another profile
takes one pass, over all rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Protocol

import numpy as np

from mlobs.drift import segments as naming
from mlobs.drift.bins import Bins
from mlobs.drift.choosing import choose
from mlobs.drift.columns import Batch, Codes, Column, Doubles, Numbers, Unusable, part
from mlobs.drift.days import days_of, seconds_column, slots_of
from mlobs.drift.dependence import BLOCK_ROWS, Spans
from mlobs.drift.feature import Feature
from mlobs.drift.frames import batches
from mlobs.drift.profile import ERROR, PREDICTION, TARGET, Profile
from mlobs.drift.quality import NOT_COMPARABLE, error_column
from mlobs.drift.sampling import Sample, counted_rows, refuse_other_columns
from mlobs.drift.tally import Rows, Tally
from mlobs.errors import DataError, ProfileError

TIME_REASON = "says when a row came"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is wanted. `Profile.of` says what the fields mean."""

    model: str | None = None
    columns: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    prediction: str | None = None
    target: str | None = None
    time: str | None = None
    season: bool = False
    by: tuple[str, ...] = ()
    categorical: frozenset[str] = frozenset()
    text: frozenset[str] = frozenset()
    ordered: bool = True
    bins: int = 64

    @property
    def asked(self) -> set[str]:
        """Return the columns that must be features."""
        roles = {self.prediction, self.target} - {None}
        return {*(self.columns or ()), *map(str, roles), *self.categorical, *self.text}


@dataclass(frozen=True, slots=True)
class Part:
    """A batch, its columns sorted by what they are for."""

    rows: int
    features: Mapping[str, Column]
    seconds: Doubles | None
    by: Sequence[Column]


def build(data: Any, request: Request) -> Profile:
    """Return the profile of `data`.

    Raises:
        DataError: The data cannot be read or has no rows.
        ProfileError: A column that was asked for is not there, or cannot be used for that.
    """
    if request.bins < 2:
        raise ProfileError(
            f"A profile of {request.bins} bins tells nothing. Wanted: at least 2 bins; 64 is usual."
        )
    if request.season and request.time is None:
        raise ProfileError(
            "Counts by the hour of the week need the column of the times. Name it with: --time"
        )
    engine = _engine(data)
    request, sample, groups = engine.sampled(request)
    if not sample.rows and not sample.excluded:
        raise DataError("The data has no rows. Wanted: the rows a model was trained on.")
    chosen, excluded = _chosen(sample, request)
    if not chosen:
        reasons = "; ".join(f"{name!r}: {why}" for name, why in excluded.items()) or "there is none"
        raise ProfileError(f"No column of the data can be profiled ({reasons}).")
    labels = _labels(groups, request.by) if request.by else []
    count = Count(chosen, time=request.time, labels=labels, ordered=request.ordered, share=0.5)
    engine.count(request, count, half=True)
    return Profile(
        model=request.model,
        rows=sample.rows,
        prediction=request.prediction,
        target=request.target,
        time=request.time,
        by=request.by,
        excluded=excluded,
        features=count.features(season=request.season),
        segments=count.segments(),
    )


def count_like(data: Any, like: Profile, *, model: str | None, ordered: bool) -> Profile:
    """Return the profile of `data` by the bins of another one; every row is counted.

    Raises:
        DataError: The data cannot be read or has no rows, or a column is of another kind.
        ProfileError: A column of the other profile is not there.
    """
    columns = tuple(name for name in like.features if name != like.error)
    request = Request(
        model=model or like.model,
        columns=columns,
        prediction=like.prediction,
        target=like.target,
        time=like.time,
        by=like.by,
    )
    count = Count(like.features, time=like.time, labels=list(like.segments), ordered=ordered, share=1.0)
    _engine(data).count(request, count, half=False)
    if not count.rows:
        raise DataError("The data has no rows. Wanted: rows to count.")
    season = any(feature.slots for feature in like.features.values())
    return like.model_copy(
        update={
            "model": request.model,
            "rows": count.rows,
            "features": count.features(season=season),
            "segments": count.segments(),
        }
    )


class Engine(Protocol):
    """Whatever goes over the rows."""

    def sampled(self, request: Request) -> tuple[Request, Sample, Sample]:
        """Return the request with its roles found, and samples of the features and of what makes segments."""

    def count(self, request: Request, count: "Count", *, half: bool) -> None:
        """Count the rows: those that did not choose the bins, or all."""


class _Here:
    """Goes over batches in this process."""

    def __init__(self, source: Iterable[Batch]) -> None:
        self.source = source

    def sampled(self, request: Request) -> tuple[Request, Sample, Sample]:
        source = Source(self.source, request, whole=True)
        sample, groups = Sample(), Sample()
        for found in source:
            sample.add(found.features, found.rows)
            if request.by:
                groups.add(dict(zip(request.by, found.by, strict=True)), found.rows)
        return source.request, sample, groups

    def count(self, request: Request, count: "Count", *, half: bool) -> None:
        for found in Source(self.source, request):
            count.add(found, counted_rows(count.rows, found.rows) if half else np.arange(found.rows))


def _engine(data: Any) -> Engine:
    if type(data).__module__.startswith("pyspark."):
        from mlobs.drift.sources.spark import Spark  # it counts by means of this file

        return Spark(data)
    return _Here(batches(data))


@dataclass
class Count:
    """Counts all columns, batch by batch."""

    chosen: Mapping[str, Feature]
    time: str | None
    labels: list[str]
    ordered: bool
    share: float
    rows: int = 0
    counted: int = 0
    tallies: dict[str, Tally] = field(init=False)
    spans: Spans = field(default_factory=Spans)

    def __post_init__(self) -> None:
        self.tallies = {
            name: Tally(
                Bins(feature),
                segments=len(self.labels),
                by_time=self.time is not None,
                share=self.share,
            )
            for name, feature in self.chosen.items()
        }

    def add(self, found: Part, keep: Codes) -> None:
        """Count the rows of a batch that are to be kept."""
        rows = self._rows(found, keep)
        for name, tally in self.tallies.items():
            if name not in found.features:
                raise _no_column(name, {}, found.features)
            try:
                tally.add(part(found.features[name], keep), rows)
            except DataError as error:
                raise DataError(f"Column {name!r} cannot be profiled: {error}.") from None
        self.rows += found.rows
        self.counted += len(keep)

    def features(self, *, season: bool) -> dict[str, Feature]:
        """Return the features with their counts."""
        shuffled = self.spans.shuffled
        return {n: tally.feature(season=season, shuffled=shuffled) for n, tally in self.tallies.items()}

    def segments(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Return the counts by segment."""
        return {
            label: {name: tuple(tally.segments[i].tolist()) for name, tally in self.tallies.items()}
            for i, label in enumerate(self.labels)
        }

    def _rows(self, found: Part, keep: Codes) -> Rows:
        inside = self.counted % BLOCK_ROWS
        blocks = np.arange(inside, inside + len(keep)) // BLOCK_ROWS if self.ordered else np.empty(0, np.intp)
        groups = naming.places_of([part(c, keep) for c in found.by], self.labels) if self.labels else None
        if found.seconds is None:
            return Rows(blocks=blocks, segments=groups)
        seconds = found.seconds[keep]
        self.spans.add(seconds)
        days, numbers = days_of(seconds)
        return Rows(
            order=np.argsort(seconds, kind="stable"),
            blocks=blocks,
            slots=slots_of(seconds),
            days=days,
            day_numbers=numbers,
            segments=groups,
        )


class Source:
    """The batches of the data, sorted by what their columns are for.

    `request` has prediction and target filled in once the first batch was seen. `whole` batches still have
    the columns that are to be left out.
    """

    def __init__(self, source: Iterable[Batch], request: Request, *, whole: bool = False) -> None:
        self.source = source
        self.request = request
        self.whole = whole

    def __iter__(self) -> Iterator[Part]:
        names: set[str] | None = None
        row = 0
        for batch in self.source:
            if names is None:
                names = set(batch.columns)
                if self.whole:
                    refuse_unknown_excluded(self.request, list(batch.columns))
                self.request = _with_roles(list(batch.columns), self.request)
            refuse_other_columns(names, batch.columns, row)
            yield _part(batch, self.request)
            row += batch.rows


def refuse_unknown_excluded(request: Request, names: Sequence[str]) -> None:
    """Refuse to leave out what is not there, for then something else was meant.

    Raises:
        ProfileError: A column that is to be left out is not among the names of all columns.
    """
    if request.columns is not None:  # what is left out may not even have been read
        return
    for name in request.exclude:
        if name not in names:
            raise _no_column(name, {}, names)


def _with_roles(names: Sequence[str], request: Request) -> Request:
    """Refuse what is not there, and find prediction and target where they go by their own names."""
    for name in sorted({*request.asked, *request.by, *([request.time] if request.time else ())}):
        if name not in names:
            raise _no_column(name, {}, names)
        if name in request.exclude:
            raise _no_column(name, {name: "left out on request"}, names)
    if request.prediction is not None and request.prediction == request.target:
        raise ProfileError(
            f"The column {request.target!r} cannot be both what the model said and what was true. "
            f"Wanted: another column as prediction or as target."
        )
    kept = {name for name in names if _is_wanted(name, request)}
    found: dict[str, str | None] = {}
    for role, given in ((PREDICTION, request.prediction), (TARGET, request.target)):
        if given not in {None, role} and role in kept:
            raise ProfileError(
                f"The {role} is in column {given!r}, but there is a column {role!r} as well. "
                f"Leave one of them out with: --exclude"
            )
        found[role] = role if given is None and role in kept else given
    if found[PREDICTION] is not None and found[TARGET] is not None and ERROR in kept:
        raise ProfileError(
            f"Prediction and target make a feature {ERROR!r}, but there is a column of that name. "
            f"Leave it out with: --exclude {ERROR}"
        )
    return replace(request, prediction=found[PREDICTION], target=found[TARGET])


def _is_wanted(name: str, request: Request) -> bool:
    if name in request.exclude or name == request.time:
        return False
    return request.columns is None or name in request.asked


def _part(batch: Batch, request: Request) -> Part:
    features = {name: column for name, column in batch.columns.items() if _is_wanted(name, request)}
    if request.prediction is not None and request.target is not None:
        error = error_column(batch.columns[request.target], batch.columns[request.prediction])
        features[ERROR] = Unusable(NOT_COMPARABLE) if error is None else error
    seconds = seconds_column(request.time, batch.columns[request.time]) if request.time else None
    return Part(batch.rows, features, seconds, [batch.columns[name] for name in request.by])


def _chosen(sample: Sample, request: Request) -> tuple[dict[str, Feature], dict[str, str]]:
    """Return the features without counts, and the columns that were left out and why."""
    excluded = dict.fromkeys(request.exclude, "left out on request") | sample.excluded
    if request.time is not None:
        excluded[request.time] = TIME_REASON
    chosen: dict[str, Feature] = {}
    for name in sample.names:
        found = choose(
            name,
            sample.column(name),
            request.bins,
            categorical=name in request.categorical,
            text=name in request.text,
            keep=name in request.asked,
        )
        if isinstance(found, str):
            excluded[name] = found
        else:
            chosen[name] = found
    for name in sorted(request.asked):
        if name not in chosen:
            raise _no_column(name, excluded, chosen)
    return chosen, excluded


def _labels(groups: Sample, by: Sequence[str]) -> list[str]:
    for name in by:
        if name in groups.excluded:
            raise _no_column(name, groups.excluded, by)
        _refuse_quantity(name, groups.column(name))
    return naming.largest(*naming.labels_of([groups.column(name) for name in by]))


def _refuse_quantity(name: str, column: Column) -> None:
    """Refuse numbers most of whose rows would be in no segment of their own."""
    if not isinstance(column, Numbers):
        return
    times = np.sort(np.unique(column.values[~np.isnan(column.values)], return_counts=True)[1])
    if len(times) > naming.SEGMENTS_MAX and times[-naming.SEGMENTS_MAX :].sum() < times.sum() / 2:
        raise ProfileError(
            f"Column {name!r} cannot make segments: of its {len(times)} or more values the "
            f"{naming.SEGMENTS_MAX} most frequent ones have less than half of the rows. "
            f"Wanted: few values, such as classes of them, behind: --by"
        )


def _no_column(name: str, excluded: Mapping[str, str], found: Iterable[str]) -> ProfileError:
    if name in excluded:
        return ProfileError(f"Column {name!r} cannot be profiled: {excluded[name]}.")
    names = sorted(found)
    by_case = {one.casefold(): one for one in names}
    like = get_close_matches(name.casefold(), by_case, 1)
    meant = f" Was {by_case[like[0]]!r} meant?" if like else ""
    return ProfileError(f"The data has no column {name!r}. Columns found: {', '.join(names)}.{meant}")
