"""Finds the data files that paths, patterns and folders name.

Folders are searched to their depth, in the order of the names. Names that begin with `_` or `.` are
left out, as Spark and Hive do: they hold marks and checksums. Folders named key=value give each row
below them that value in a column of that key.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from mlobs.errors import DataError

Kind = Literal["parquet", "csv", "json", "arrow"]
KINDS: dict[str, Kind] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
PACKED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}  # only lines of text are packed as a whole
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
WANTED = "a .parquet, .csv, .jsonl, .arrow or .feather file"


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file, what it is, and the values that the names of its folders give each row."""

    path: Path
    kind: Kind
    packing: str | None = None
    keys: dict[str, str | None] = field(default_factory=dict)


def data_files(paths: Sequence[str | Path]) -> list[DataFile]:
    """Return the files that the paths name.

    Raises:
        DataError: There are none, or the ending of one does not say what it is.
    """
    found = [file for path in paths for file in _below(Path(path))]
    if not found:
        raise DataError(f"There is nothing to read. Wanted: {WANTED}.")
    return found


def kind_of(path: Path) -> tuple[Kind, str | None]:
    """Return what a file's ending says it is, and how it is packed.

    >>> kind_of(Path("2025/day.csv.gz"))
    ('csv', 'gzip')

    Raises:
        DataError: The ending says nothing.
    """
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    packing = PACKED.get(endings[-1]) if endings else None
    kind = KINDS.get(endings[0] if packing and len(endings) == 2 else endings[-1] if endings else "")
    if kind is None or (packing and kind not in {"csv", "json"}):
        raise DataError(
            f"The ending of {str(path)!r} does not say what it is. Wanted: one of {', '.join(KINDS)}; "
            f"of the texts also with {', '.join(PACKED)} behind."
        )
    return kind, packing


def _below(path: Path) -> Iterable[DataFile]:
    if path.is_file():
        kind, packing = kind_of(path)
        return [DataFile(path, kind, packing)]
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if file.is_file() and _counts(file, path)]
        if not files:
            raise DataError(f"There is no data file in the folder {str(path)!r}. Wanted: {WANTED}.")
        return [DataFile(file, *kind_of(file), _keys(file, path)) for file in files]
    if any(sign in str(path) for sign in "*?["):
        base = Path(path.anchor) if path.is_absolute() else Path()
        matching = sorted(base.glob(str(path.relative_to(base))))
        if not matching:
            raise DataError(f"No file matches the pattern {str(path)!r}. Wanted: {WANTED}.")
        return [file for match in matching for file in _below(match)]
    raise DataError(f"There is no file {str(path)!r}. Wanted: {WANTED}.")


def _counts(file: Path, folder: Path) -> bool:
    return not any(name.startswith(("_", ".")) and "=" not in name for name in file.relative_to(folder).parts)


def _keys(file: Path, folder: Path) -> dict[str, str | None]:
    pairs = [name.partition("=") for name in file.relative_to(folder).parent.parts if "=" in name]
    return {unquote(key): None if value == NO_VALUE else unquote(value) for key, _, value in pairs}
