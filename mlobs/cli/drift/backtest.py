"""`mlobs drift backtest`: what a monitor would have said about rows of the past."""

import argparse
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

from mlobs.cli.drift.comparing import floor_of
from mlobs.cli.drift.rows import QUERY, add_rows
from mlobs.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mlobs.drift.backtest import Backtest, Episode, Run

EPILOG = """\
examples:
  mlobs drift backtest churn.json 2026/*.parquet --time at
  mlobs drift backtest churn.json log.csv --rows-per-day 20000 --floor 0.05 --false-alarms 1
  mlobs drift backtest churn.json log.parquet --time at --changed-at 2026-03-01

The first table has a row for each setting, the second the alarms of the one that is asked for first.
'features' are the columns that alarmed, 'rows to an alarm' (the median) and 'rows' are counted from the
detector's own estimate of when the change began, 'change', to the alarm. With --changed-at, alarms before
that moment were false, and the delay is counted from it. With --rows-per-day, times are days of the history.
"""
EPISODES_SHOWN = 20
LEGEND = (
    "'features': how many columns alarmed. 'rows to an alarm': the median, from the beginning of the change, "
    "as the detector estimates it, to the alarm."
)
LEGEND_CHANGED = (
    "'features': how many columns alarmed. 'before the change': alarms that were false, if nothing else "
    "changed. 'change' is when the detector takes it to have begun; 'after' is counted from --changed-at."
)


def register(verbs: Any) -> None:
    """Add the verb."""
    verb = verbs.add_parser(
        "backtest",
        help="what a monitor would have alarmed in the past, and how soon",
        description="Replay a history through a monitor's detector, for several settings.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = verb.add_argument
    add("profile", metavar="PROFILE", help="made by 'mlobs drift profile'")
    add_rows(
        verb,
        name="history",
        files="files, folders or patterns, in the order of time",
        query=f"{QUERY}; ORDER BY the time",
    )
    add("--time", metavar="NAME", help="the column that says when a row came (default: the profile's)")
    add("--rows-per-day", metavar="N", type=float, help="in place of a column of times")
    add(
        "--floor",
        metavar="SHARE",
        action="append",
        help="share of values that may sit in the wrong bin, or 'learned'; may be repeated "
        "(default: 0.05, 0.02 and 0.1)",
    )
    add(
        "--false-alarms",
        metavar="N",
        type=float,
        action="append",
        help="false alarms a year for the whole monitor; may be repeated (default: 1 and 12)",
    )
    add("--changed-at", metavar="TIME", help="when something is known to have changed, ISO 8601, UTC")
    add("--block-rows", metavar="N", type=int, default=200, help="rows judged together (default: 200)")
    add("--json", action="store_true", help="print everything as JSON")
    verb.set_defaults(handler=_backtest)


def _backtest(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from mlobs.cli.drift.progress import progress
    from mlobs.cli.printing import print_json
    from mlobs.drift.backtest import FALSE_ALARMS_PER_YEAR, FLOORS, backtest
    from mlobs.drift.profile import Profile
    from mlobs.drift.sources import source

    changed_at = None if arguments.changed_at is None else _moment(arguments.changed_at)
    profile = Profile.read(arguments.profile)
    with progress("replaying") as (start, advance):
        data = source(arguments.history, query=arguments.query, url=arguments.url, progress=advance)
        start(data.rows)
        found = backtest(
            profile,
            data,
            time=arguments.time,
            rows_per_day=arguments.rows_per_day,
            floors=[floor_of(text) for text in arguments.floor or ()] or FLOORS,
            false_alarms_per_year=arguments.false_alarms or FALSE_ALARMS_PER_YEAR,
            block_rows=arguments.block_rows,
        )
    if arguments.json:
        print_json({**asdict(found), "changed_at": changed_at})
    else:
        _print(found, changed_at, _numbered if arguments.rows_per_day is not None else _dated)
    return 0


def _print(found: "Backtest", changed_at: datetime | None, shown: "Callable[[datetime], str]") -> None:
    from mlobs.cli.printing import print_rows, visible

    print_rows([_setting(run, found, changed_at, shown) for run in found.runs], as_json=False)
    print(
        f"{found.rows:,} rows from {shown(found.began)} to {shown(found.ended)}, profile {found.profile_ref}"
    )
    if changed_at is not None and not found.began <= changed_at <= found.ended:
        where = "before its first" if changed_at < found.began else "after its last"
        print(
            f"--changed-at {_dated(changed_at)} is not in the history but {where} row, so what stands in the "
            f"table about the change says nothing."
        )
    first = found.runs[0]
    if any(run.episodes for run in found.runs):
        print(LEGEND if changed_at is None else LEGEND_CHANGED)
    if not first.episodes:
        return
    a_year = (
        f"{first.false_alarms_per_year:g} false {'alarm' if first.false_alarms_per_year == 1 else 'alarms'}"
    )
    print(f"\nAlarms with a floor of {first.floor} and {a_year} a year:")
    rows = [_episode(one, changed_at, shown) for one in first.episodes[:EPISODES_SHOWN]]
    if not any(row["segment"] for row in rows):
        rows = [{name: cell for name, cell in row.items() if name != "segment"} for row in rows]
    print_rows(rows, as_json=False, spare=("tv", "cleared", "after"))
    left = len(first.episodes) - EPISODES_SHOWN
    if left > 0:
        print(visible(f"and {left} more; --json has all"))


def _setting(
    run: "Run", found: "Backtest", changed_at: datetime | None, shown: "Callable[[datetime], str]"
) -> dict[str, object]:
    """Return what one setting would have meant to the team that is paged."""
    months = max((found.ended - found.began).total_seconds() / (30 * 86_400), 1e-9)
    row: dict[str, object] = {
        "floor": run.floor,
        "false alarms a year": f"{run.false_alarms_per_year:g}",
        "alarms": len(run.episodes),
        "a month": round(len(run.episodes) / months, 1) if months >= 1 else None,
        "features": len({one.feature for one in run.episodes}),
    }
    if changed_at is not None:
        after = run.after(changed_at)
        return row | {
            "before the change": len(run.before(changed_at)),
            "first alarm after it": _length(after[0].raised - changed_at) if after else "never",
        }
    return row | {
        "first alarm": shown(run.episodes[0].raised) if run.episodes else "never",
        "rows to an alarm": _median([one.rows for one in run.episodes]),
    }


def _episode(
    one: "Episode", changed_at: datetime | None, shown: "Callable[[datetime], str]"
) -> dict[str, object]:
    moves = "; ".join(f"{m.bin}: {m.reference_ratio:.1%} → {m.live_ratio:.1%}" for m in one.moves[:2])
    known = changed_at is not None and one.raised >= changed_at
    since = changed_at if known and changed_at is not None else one.change_start
    return {
        "feature": one.feature,
        "segment": one.segment,
        "alarm": shown(one.raised),
        "change": shown(one.change_start),
        "after": _length(one.raised - since),
        "rows": one.rows,
        "cleared": "" if one.cleared is None else shown(one.cleared),
        "tv": None if one.tv is None else round(one.tv, 3),
        "what changed most": moves,
    }


def _dated(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _numbered(moment: datetime) -> str:
    """Return a moment of a history whose clock is the number of its rows: there is no date.

    >>> _numbered(datetime(1970, 1, 3, 12, tzinfo=UTC))
    'day 2.50'
    """
    return f"day {moment.timestamp() / 86_400:.2f}"


def _median(numbers: "Sequence[int]") -> int | None:
    return round(median(numbers)) if numbers else None


def _length(span: timedelta) -> str:
    """Return a length of time in the unit that fits.

    >>> _length(timedelta(seconds=42)), _length(timedelta(minutes=95)), _length(timedelta(days=3))
    ('42 s', '1.6 h', '3.0 d')
    """
    seconds = span.total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size * (2 if unit == "d" else 1):
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise SettingError(
            f"--changed-at {text!r} is no time. Wanted: ISO 8601, as 2026-03-01 or 2026-03-01T12:00."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
