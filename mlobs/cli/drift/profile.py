"""`mlobs drift profile`: summarise training data."""

import argparse
from typing import TYPE_CHECKING, Any

from mlobs.cli.drift.dependence import sentences
from mlobs.cli.drift.rows import add_rows
from mlobs.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlobs.drift.profile import Profile

EPILOG = """\
examples:
  mlobs drift profile train.parquet -o churn.json --model churn@7
  mlobs drift profile 2025/*.parquet -o churn.json --exclude customer_id --prediction score
  mlobs drift profile log.parquet -o churn.json --time at --season --by country --target churned
  mlobs drift profile --query 'SELECT * FROM training' --from clickhouse://ana@db:8123/ml -o churn.json
  mlobs drift profile january.parquet --like churn.json -o january.json

what is kept of a column:
  numbers       quantile bins; whole numbers of few values have a bin for each value
  times         bins over the instant
  long texts    where most are unique: bins over the length
  categories    the most frequent values by name; rarer ones together, unseen ones together
  vectors       the mean vector and 16 cells of k-means
Half of the rows place the bins and the other half is counted, so the counts are an honest sample.
How much rows depend on each other is measured in their order, which must be that in which they came, or
with --time in the order of time within every 65,536 rows or so: a file that is about in that order will do, a
shuffled one will not. Which half is counted depends on the rows' numbers, so another order gives another
sample, and somewhat other figures. With --time, ten days or more teach each column's floor: how far its own
days (without --season also its hours) lie apart.
"""
SEASONAL = 0.2
ROWS_MIN = 1_000
LIKE_TAKES = ("exclude", "column", "prediction", "target", "time", "by", "categorical", "text")


def register(verbs: Any) -> None:
    """Add the verb."""
    profile = verbs.add_parser(
        "profile",
        help="summarise training data",
        description="Summarise training data in a file to compare with.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = profile.add_argument
    add_rows(profile)
    add("-o", "--output", metavar="FILE", required=True, help="where the profile is written")
    add("--model", metavar="NAME@VERSION", help="the model that was trained on the data")
    _repeated(profile, "--column", None, "only this column, even if nearly every value is unique")
    _repeated(profile, "--exclude", [], "not this column")
    add(
        "--prediction",
        metavar="NAME",
        help="the column of the model's output (default: prediction, if there)",
    )
    add("--target", metavar="NAME", help="the column of the truth (default: target, if there)")
    add(
        "--time",
        metavar="NAME",
        help="the column that says when a row came: timestamps, ISO texts, or seconds since 1970",
    )
    add("--season", action="store_true", help="keep the counts of each hour of the week, too; needs --time")
    _repeated(profile, "--by", [], "count each value of this column as a segment of its own, the 20 largest")
    _repeated(profile, "--categorical", [], "count this column by value, though it holds numbers")
    _repeated(profile, "--text", [], "count this column of strings by length")
    add(
        "--like",
        metavar="PROFILE",
        help="count all rows by the bins of this profile; profiles of the same bins can be merged",
    )
    add(
        "--unordered",
        action="store_true",
        help="the rows are not in the order in which they came, so do not measure their dependence",
    )
    add("--bins", metavar="N", type=int, default=64, help="bins a column (default: 64; 10 make a small file)")
    add("--json", action="store_true", help="print the summary as JSON")
    profile.set_defaults(handler=_profile)


def _repeated(parser: argparse.ArgumentParser, flag: str, default: "list[str] | None", what: str) -> None:
    parser.add_argument(
        flag, metavar="NAME", action="append", default=default, help=f"{what}; may be repeated"
    )


def _profile(arguments: argparse.Namespace) -> int:
    from mlobs.cli.drift.output import refuse_to_overwrite
    from mlobs.cli.drift.progress import progress
    from mlobs.drift.profile import Profile
    from mlobs.drift.sources import source

    refuse_to_overwrite(arguments.output, profile=True, inputs=[arguments.like])
    like = None if arguments.like is None else Profile.read(arguments.like)
    if like is not None:
        _refuse_besides_like(arguments)
    with progress("profiling") as (start, advance):
        data = source(
            arguments.data,
            query=arguments.query,
            url=arguments.url,
            columns=_needed(arguments),
            progress=advance,
        )
        passes = 2 if like is None else 1
        start(data.rows and passes * data.rows)
        profile = Profile.of(
            data,
            model=arguments.model,
            columns=arguments.column,
            exclude=arguments.exclude,
            prediction=arguments.prediction,
            target=arguments.target,
            time=arguments.time,
            season=arguments.season,
            by=arguments.by,
            categorical=arguments.categorical,
            text=arguments.text,
            ordered=not arguments.unordered,
            bins=arguments.bins,
            like=like,
        )
    profile.write(arguments.output)
    _print(profile, arguments.output, ordered=not arguments.unordered, as_json=arguments.json)
    return 0


def _refuse_besides_like(arguments: argparse.Namespace) -> None:
    given = [f"--{name}" for name in LIKE_TAKES if getattr(arguments, name)]
    given += ["--season"] if arguments.season else []
    if given:
        raise SettingError(
            f"{', '.join(given)} cannot be given with --like: the other profile says what the columns are. "
            f"Leave them out."
        )


def _needed(arguments: argparse.Namespace) -> "Sequence[str] | None":
    """Return the columns that must be read, or None for all."""
    if arguments.column is None:
        return None
    more = [*arguments.by, *arguments.categorical, *arguments.text]
    roles = [arguments.prediction, arguments.target, arguments.time]
    return [*arguments.column, *more, *(name for name in roles if name is not None)]


def _print(profile: "Profile", path: str, *, ordered: bool, as_json: bool) -> None:
    from mlobs.cli.printing import print_rows, visible

    learned = any(feature.learned_floor is not None for feature in profile.features.values())
    rows = [
        {
            "column": name,
            "kind": feature.kind,
            "bins": feature.inner,
            "rows": feature.rows,
            "missing": _missing(feature.counts),
            "design effect": feature.design_effect,
            **({"learned floor": feature.learned_floor} if learned or as_json else {}),
        }
        for name, feature in profile.features.items()
    ]
    print_rows(rows, as_json=as_json)
    if as_json:
        return
    for name, why in profile.excluded.items():
        print(visible(f"left out: {name} ({why})"))
    print(f"{path}: profile {profile.ref} of {profile.rows} rows")
    if any(feature.rows < profile.rows for feature in profile.features.values()):
        print("Under 'rows' stand those that were counted; the others, about half, placed the bins.")
    if learned:
        print(
            "'learned floor': the share of values by which the column's own days and hours differ from all."
        )
    seasonal = [
        name
        for name, feature in profile.features.items()
        if (feature.learned_floor or 0.0) > SEASONAL and not feature.slots
    ]
    if seasonal:
        print(
            visible(
                f"Days or hours differ much in {', '.join(seasonal)}: a monitor with the learned floor sees "
                f"little there. With --season it compares each hour of the week with the same one."
            )
        )
    if profile.segments:
        print(visible(f"segments by {', '.join(profile.by)}: {', '.join(profile.segments)}"))
    for sentence in _warnings(profile, ordered=ordered):
        print(visible(sentence))


def _warnings(profile: "Profile", *, ordered: bool) -> "Iterator[str]":
    """Yield what a check or a monitor with this profile will have to do without."""
    counted = max(feature.rows for feature in profile.features.values())
    if counted < ROWS_MIN:
        yield (
            f"Only {counted:,} rows were counted: with so few, a check can prove little. "
            f"Wanted: {ROWS_MIN:,} counted rows or more."
        )
    yield from sentences(profile, ordered=ordered)


def _missing(counts: "Sequence[int]") -> str | None:
    """Return the share of the values that are missing: they are counted in the last bin but one."""
    total = sum(counts)
    return f"{counts[-2] / total:.1%}" if total else None
