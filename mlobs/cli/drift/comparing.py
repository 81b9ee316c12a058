"""What verbs that compare have in common: a profile, data, the columns to look at, and the floor."""

import argparse
from collections.abc import Sequence
from typing import Any, Literal

from mlobs.cli.drift.rows import add_rows
from mlobs.errors import SettingError

FLOOR = 0.05  # that of `drift.floors`, which --help must do without


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `check` and `report` that say what is compared with what."""
    add = parser.add_argument
    add("profile", metavar="PROFILE", help="made by 'mlobs drift profile'")
    add_rows(parser)
    add("--column", metavar="NAME", action="append", help="only this column; may be repeated")
    add(
        "--floor",
        metavar="SHARE",
        default=str(FLOOR),
        help=f"share of values that may sit in the wrong bin, or 'learned' for how far the column's own days "
        f"in the reference lay apart; where the profile was made without --time, or of less than ten days, "
        f"that is not known and {FLOOR} is taken (default: {FLOOR})",
    )


def compared(arguments: argparse.Namespace, *, intervals: bool, bars: bool) -> Any:
    """Return the report on what the arguments name.

    Raises:
        SettingError: The floor is no share.
        DataError: The profile or the data cannot be read.
        ProfileError: The profile cannot be used, or does not have a column that was asked for.
    """
    from mlobs.cli.drift.progress import progress
    from mlobs.drift.check import check
    from mlobs.drift.profile import Profile
    from mlobs.drift.sources import source

    floor = floor_of(arguments.floor)
    profile = Profile.read(arguments.profile)
    with progress("checking") as (start, advance):
        data = source(
            arguments.data,
            query=arguments.query,
            url=arguments.url,
            columns=needed(profile, arguments.column),
            progress=advance,
        )
        start(data.rows)
        return check(profile, data, columns=arguments.column, floor=floor, intervals=intervals, bars=bars)


def floor_of(text: str) -> float | Literal["learned"]:
    """Return the floor that was given.

    Raises:
        SettingError: It is neither a share nor the word.
    """
    if text == "learned":
        return "learned"
    try:
        floor = float(text)
    except ValueError:
        floor = -1.0
    if not 0 <= floor < 1:
        raise SettingError(
            f"--floor {text} cannot be used: a share from 0 to below 1, or learned, was expected."
        )
    return floor


def needed(profile: Any, columns: Sequence[str] | None) -> list[str] | None:
    """Return the columns to read for those that were asked for: also those that say how to compare them."""
    if columns is None:
        return None
    beside = [profile.time, profile.prediction, profile.target, *profile.by]
    return list(dict.fromkeys([*columns, *(name for name in beside if name is not None)]))
