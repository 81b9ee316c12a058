"""Profiles a Spark DataFrame inside Spark: only a sample and the counts come here.

Three jobs run. One counts the rows. One has each partition send its share of the sample, of bounded
size in all, from which the bins are chosen here. One has each partition count its rows by those bins,
and the counts are added here. Which rows are sampled and which are counted follows from a hash of the
partition and the row's place in it. So that both jobs see the same rows there, whatever comes out of a
shuffle or a random function, the columns that are needed are kept on the executors' disks meanwhile,
unless the DataFrame is cached already.

With one partition, in the order of the rows, the profile is that of the same rows in memory. With
several, other rows choose the bins, so edges differ as those of two samples do, and counts by the same bins
(`like`) do not. Blocks of neighbouring rows end at the partition's end, so the design effect is taken
from a few rows less.

mlobs with its extra `drift` must be installed where the executors run.
"""

import copy
import pickle
import re
import weakref
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from mlobs._extras import pip_install, require
from mlobs.drift.build import Count, Request, Source, refuse_unknown_excluded
from mlobs.drift.dependence import Spans
from mlobs.drift.feature import Feature
from mlobs.drift.frames import refuse_duplicates
from mlobs.drift.profile import PREDICTION, TARGET
from mlobs.drift.sampling import Sample, chooses_bins, counted_rows, hashes_of, limit_of
from mlobs.drift.sources.batching import batch, batch_rows, batched
from mlobs.errors import DataError, MissingExtraError

PARTITION_ROWS_MAX = 1 << 33  # Spark numbers rows so as well
MERGERS = 8
UNREADABLE = frozenset({"variant", "interval", "void", "geometry", "geography"})  # Arrow has no such type
HASH = "__mlobs_hash__"
COUNTS = "counts"
OURS = re.compile(r"^mlobs\.errors\.(?:DataError|ProfileError): (.*)$", re.MULTILINE)


class Spark:
    """Goes over the rows of a DataFrame.

    Args:
        frame: Of Spark, classic or Connect.

    Raises:
        DataError: Two of its columns have one name.
    """

    def __init__(self, frame: Any) -> None:
        self._sql = require("pyspark.sql", extra="spark", feature="Profiling with Spark")
        self._call = require("pyspark.sql.functions", extra="spark", feature="Profiling with Spark")
        refuse_duplicates(frame.columns, "The DataFrame")
        self._frame = frame
        self._kept: Any = None
        self._names: list[str] = []  # of its columns c0, c1, ...
        self._excluded: dict[str, str] = {}

    def sampled(self, request: Request) -> tuple[Request, Sample, Sample]:
        """See `build.Engine`."""
        types = self._sql.types
        refuse_unknown_excluded(request, self._frame.columns)
        with self._errors():
            frame = self._needed(request)
            schema = types.StructType([*frame.schema.fields, types.StructField(HASH, types.LongType())])
            rows, width = self._size(frame)
            table = frame.mapInArrow(Sampling(limit_of(rows, width)), schema).toArrow()
        hashes = table.column(HASH).to_numpy().view(np.uint64)
        source = Source([batch(table.drop_columns([HASH]).rename_columns(self._names))], request)
        sample, groups = Sample(), Sample()
        for found in source:
            sample.take(found.features, hashes)
            if request.by:
                groups.take(dict(zip(request.by, found.by, strict=True)), hashes)
        sample.rows = groups.rows = rows
        sample.excluded |= self._excluded
        return source.request, sample, groups

    def count(self, request: Request, count: Count, *, half: bool) -> None:
        """See `build.Engine`."""
        with self._errors():
            frame, names = self._needed(request), tuple(self._names)
            task = Task(request, names, count.chosen, tuple(count.labels), count.ordered, count.share, half)
            counts = frame.mapInArrow(Counting(task), f"{COUNTS} binary")
            merged = counts.repartition(MERGERS).mapInArrow(Merging(task), f"{COUNTS} binary")
            rows = merged.collect()
        for row in rows:
            Part.unpacked(row[COUNTS]).add_to(count)
        self._release()

    def _needed(self, request: Request) -> Any:
        """Return the columns that the request needs, the same rows in the same places every time."""
        if self._kept is not None:
            return self._kept
        asked = request.asked | set(request.by) | ({request.time} if request.time else set())
        # All, if one is not there, so that an error can name those.
        every = request.columns is None or not asked <= set(self._frame.columns)
        kept: list[Any] = []
        self._names = []
        for name, kind in [(field.name, field.dataType) for field in self._frame.schema.fields]:
            if name not in asked and (name in request.exclude or not (every or name in {PREDICTION, TARGET})):
                continue
            if kind.typeName() in UNREADABLE:
                self._excluded[name] = f"values of type {kind.simpleString()}"
                continue
            column = self._call.col("`" + name.replace("`", "``") + "`")
            if type(kind).__name__ == "VectorUDT":
                vectors = require("pyspark.ml.functions", extra="spark", feature="Profiling vectors")
                column = vectors.vector_to_array(column, "float32")
            kept.append(column.alias(f"c{len(kept)}"))  # mapInArrow does not take every name
            self._names.append(name)
        self._kept = self._frame.select(*kept)
        level = self._frame.storageLevel
        if not (level.useMemory or level.useDisk):
            storage = require("pyspark", extra="spark", feature="Profiling with Spark").StorageLevel
            self._kept = self._kept.persist(storage.DISK_ONLY)
            self._finish = weakref.finalize(self, self._kept.unpersist)
            self._finish.atexit = False  # then Spark is gone, and the files with it
        return self._kept

    def _release(self) -> None:
        if hasattr(self, "_finish"):
            self._finish()
        self._kept = None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn Spark's errors into a sentence: ours where it was raised by us on an executor."""
        errors = require("pyspark.errors", extra="spark", feature="Profiling with Spark")
        try:
            yield
        except errors.PySparkException as error:
            self._release()
            text = str(error)
            if "No module named 'mlobs'" in text:
                raise MissingExtraError(
                    "mlobs is not installed where Spark's executors run. "
                    f"Install it there with: {pip_install('drift')}"
                ) from None
            if ours := OURS.search(text):
                raise DataError(ours[1].strip()) from None
            first = next((line for line in text.splitlines() if line.strip()), type(error).__name__)
            raise DataError(f"Spark cannot read the DataFrame: {first.strip().rstrip('.')}.") from error

    def _size(self, frame: Any) -> tuple[int, int]:
        """Return how many rows there are, and how many values in one."""
        fields = frame.schema.fields
        lists = [field.name for field in fields if field.dataType.typeName() == "array"]
        call = self._call
        sizes = [call.max(call.size(call.col(name))) for name in lists]
        rows, *widths = frame.agg(call.count(call.lit(1)), *sizes).first()
        return int(rows), len(fields) - len(lists) + sum(max(int(width or 0), 1) for width in widths)


@dataclass(frozen=True)
class Sampling:
    """Gives the rows of a partition that are in the sample, with their hashes."""

    limit: int

    def __call__(self, tables: Iterator[Any]) -> Iterator[Any]:
        """Go over a partition."""
        arrow = require("pyarrow", extra="drift", feature="Profiling with Spark")
        start = first_row()
        for table in tables:
            hashes = hashes_of(start, table.num_rows)
            keep = np.flatnonzero(chooses_bins(hashes) & (hashes <= np.uint64(self.limit)))
            start += table.num_rows
            kept = table.take(arrow.array(keep))
            column = arrow.array(hashes[keep].view(np.int64))
            yield arrow.RecordBatch.from_arrays([*kept.columns, column], names=[*kept.schema.names, HASH])


@dataclass(frozen=True)
class Task:
    """What is counted; what it takes to make a `Count` elsewhere."""

    request: Request
    names: Sequence[str]
    chosen: Mapping[str, Feature]
    labels: Sequence[str]
    ordered: bool
    share: float
    half: bool

    def empty(self) -> Count:
        """Return counts of nothing."""
        return Count(
            dict(self.chosen),
            time=self.request.time,
            labels=list(self.labels),
            ordered=self.ordered,
            share=self.share,
        )


@dataclass(frozen=True)
class Counting:
    """Gives the counts of a partition."""

    task: Task

    def __call__(self, tables: Iterator[Any]) -> Iterator[Any]:
        """Go over a partition."""
        arrow = require("pyarrow", extra="drift", feature="Profiling with Spark")
        count, start = self.task.empty(), first_row()
        names = list(self.task.names)
        wholes = (arrow.Table.from_batches([table]).rename_columns(names) for table in tables)
        for found in Source(batched(wholes, batch_rows(len(self.task.chosen))), self.task.request):
            every = np.arange(found.rows)
            count.add(found, counted_rows(start + count.rows, found.rows) if self.task.half else every)
        if count.rows:
            yield _row(arrow, count)


@dataclass(frozen=True)
class Merging:
    """Gives the sum of some partitions' counts."""

    task: Task

    def __call__(self, tables: Iterator[Any]) -> Iterator[Any]:
        """Go over a partition of partitions' counts."""
        arrow = require("pyarrow", extra="drift", feature="Profiling with Spark")
        count = self.task.empty()
        for table in tables:
            for packed in table.column(0).to_pylist():
                Part.unpacked(packed).add_to(count)
        if count.rows:
            yield _row(arrow, count)


@dataclass(frozen=True)
class Part:
    """The counts of some rows on their way: without the bins, which both ends have."""

    rows: int
    counted: int
    spans: Spans
    tallies: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, count: Count) -> Self:
        """Return what must travel of some counts."""
        tallies = {
            name: {key: value for key, value in vars(tally).items() if key != "bins"}
            for name, tally in count.tallies.items()
        }
        return cls(count.rows, count.counted, count.spans, tallies)

    @classmethod
    def unpacked(cls, packed: bytes) -> Self:
        """Return what `packed` made."""
        found = pickle.loads(zlib.decompress(packed))  # noqa: S301 - our own, from our own job
        assert isinstance(found, cls)
        return found

    def packed(self) -> bytes:
        """Return the counts as bytes."""
        return zlib.compress(pickle.dumps(self), level=1)

    def add_to(self, count: Count) -> None:
        """Add these counts to others by the same bins."""
        for name, values in self.tallies.items():
            other = copy.copy(count.tallies[name])
            vars(other).update(values)
            count.tallies[name].merge(other)
        count.spans.merge(self.spans)
        count.rows += self.rows
        count.counted += self.counted


def first_row() -> int:
    """Return the number of the first row of the partition that this process works at."""
    context = require("pyspark", extra="spark", feature="Profiling with Spark").TaskContext.get()
    return int(context.partitionId()) * PARTITION_ROWS_MAX


def _row(arrow: Any, count: Count) -> Any:
    packed = arrow.array([Part.of(count).packed()], arrow.binary())
    return arrow.RecordBatch.from_arrays([packed], names=[COUNTS])
