"""`mlobs drift`: profile the training data once, then ask what moved."""

import argparse
import sys
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlobs.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlobs.drift.check import Finding, Report

CHECK_EPILOG = """\
examples:
  mlobs drift check churn.json today.parquet
  mlobs drift check churn.json today.csv --column tenure --json

exit status:
  0  nothing moved
  1  something moved: a column drifted or changed its type
  2  the check could not be made (bad file, missing column, too little data)
A column that the profile does not have is told, and moves nothing.
"""
PROFILE_EPILOG = """\
examples:
  mlobs drift profile train.parquet -o churn.json --model churn@7
  mlobs drift profile 2025/*.parquet -o churn.json --exclude customer_id --prediction score
"""


def register(nouns: Any) -> None:
    """Add `drift` and its verbs."""
    noun = nouns.add_parser("drift", help="what moved between training data and live data")
    verbs = noun.add_subparsers(title="verbs", metavar="VERB", required=True)
    plain = argparse.RawDescriptionHelpFormatter

    profile = verbs.add_parser(
        "profile",
        help="summarise training data",
        description="Summarise training data in a file to compare with.",
        epilog=PROFILE_EPILOG,
        formatter_class=plain,
    )
    profile.add_argument("data", metavar="DATA", nargs="+", help="a .parquet, .csv or .jsonl file")
    profile.add_argument("-o", "--output", metavar="FILE", required=True, help="where the profile is written")
    profile.add_argument("--model", metavar="NAME@VERSION", help="the model that was trained on the data")
    profile.add_argument(
        "--column", metavar="NAME", action="append", help="only this column; may be repeated"
    )
    profile.add_argument(
        "--exclude", metavar="NAME", action="append", default=[], help="not this column; may be repeated"
    )
    profile.add_argument(
        "--prediction",
        metavar="NAME",
        help="the column of the model's output (default: prediction, if there)",
    )
    profile.add_argument(
        "--unordered",
        action="store_true",
        help="the rows are not in the order in which they came, so do not measure their dependence",
    )
    profile.add_argument("--bins", metavar="N", type=int, default=64, help="bins a feature (default: 64)")
    profile.add_argument("--json", action="store_true", help="print the summary as JSON")
    profile.set_defaults(handler=_profile)

    check = verbs.add_parser(
        "check",
        help="compare new data with a profile",
        description="Compare new data with a saved profile and say what moved.",
        epilog=CHECK_EPILOG,
        formatter_class=plain,
    )
    check.add_argument("profile", metavar="PROFILE", help="made by 'mlobs drift profile'")
    check.add_argument("data", metavar="DATA", nargs="+", help="a .parquet, .csv or .jsonl file")
    check.add_argument("--column", metavar="NAME", action="append", help="only this column; may be repeated")
    check.add_argument(
        "--floor",
        metavar="SHARE",
        type=float,
        default=0.05,
        help="share of values that may sit in the wrong bin (default: 0.05)",
    )
    check.add_argument(
        "--wide", action="store_true", help="print every distance, however narrow the terminal is"
    )
    check.add_argument("--json", action="store_true", help="print the report as JSON")
    check.set_defaults(handler=_check)


def _profile(arguments: argparse.Namespace) -> int:
    from mlobs.cli.printing import print_rows, visible
    from mlobs.drift.profile import Profile
    from mlobs.drift.readers import Files

    with _progress("profiling") as (start, advance):
        files = Files(arguments.data, columns=arguments.column, progress=advance)
        start(files.rows and 2 * files.rows)  # every file is read twice
        profile = Profile.of(
            files,
            model=arguments.model,
            columns=arguments.column,
            exclude=arguments.exclude,
            prediction=arguments.prediction,
            ordered=not arguments.unordered,
            bins=arguments.bins,
        )
    profile.write(arguments.output)
    rows = [
        {
            "column": name,
            "kind": feature.kind,
            "bins": max(len(feature.edges) - 1, 0) or len(feature.levels),
            "rows": feature.rows,
            "design effect": feature.design_effect,
        }
        for name, feature in profile.features.items()
    ]
    print_rows(rows, as_json=arguments.json)
    if not arguments.json:
        for name, why in profile.excluded.items():
            print(visible(f"left out: {name} ({why})"))
        print(f"{arguments.output}: profile {profile.ref} of {profile.rows} rows")
        if any(feature.rows < profile.rows for feature in profile.features.values()):
            print("Under 'rows' stand those that were counted; the others, about half, placed the bins.")
        dependent = [name for name, f in profile.features.items() if (f.design_effect or 1.0) > 5]
        if dependent:
            print(
                f"Neighbouring rows depend on each other in {', '.join(dependent)}: a monitor needs as many "
                f"times more rows as the design effect says. If the rows are not in the order in which they "
                f"came, use --unordered."
            )
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from mlobs.cli.printing import print_json
    from mlobs.drift.check import check
    from mlobs.drift.profile import Profile
    from mlobs.drift.readers import Files

    if not 0 <= arguments.floor < 1:
        raise SettingError(
            f"--floor {arguments.floor} cannot be used: a share from 0 to below 1 was expected."
        )
    profile = Profile.read(arguments.profile)
    with _progress("checking") as (start, advance):
        files = Files(arguments.data, columns=arguments.column, progress=advance)
        start(files.rows)
        report = check(profile, files, columns=arguments.column, floor=arguments.floor)
    if arguments.json:
        print_json(report.to_json())
    elif report.judged:
        _print(report, wide=arguments.wide)
    if not report.rows:
        print("mlobs: The data has no rows, so there is nothing to compare.", file=sys.stderr)
        return 2
    if not report.judged:
        print(f"mlobs: {report.rows} rows are too few for a verdict on any column.", file=sys.stderr)
        return 2
    return 1 if report.moved else 0


def _print(report: "Report", *, wide: bool) -> None:
    """Print the verdict, what it rests on, and what the words mean."""
    from mlobs.cli.printing import fits, print_rows, visible

    print(visible(report.summary))
    rows = [_row(finding) for finding in report.compared]
    if wide:
        print_rows(rows, as_json=False, whole=tuple(rows[0]))
    elif fits(rows):
        print_rows(rows, as_json=False)
    else:
        print_rows(_brief(rows, report.compared), as_json=False)
    extra = report.columns("new column")
    if extra:
        print(visible(f"Not in the profile, so not compared: {', '.join(extra)}."))
    if report.columns("drifted"):
        print(report.legend)


def _row(finding: "Finding") -> dict[str, object]:
    found = finding.distances
    moves = "; ".join(f"{m.bin}: {m.reference_ratio:.1%} → {m.live_ratio:.1%}" for m in finding.moves[:2])
    return {
        "column": finding.column,
        "verdict": finding.verdict,
        "tv": _digits(found.tv),
        "tv at least": _digits(finding.tv_lower_bound),
        "psi": _digits(found.psi),
        "js": _digits(found.js),
        "ks": _digits(found.ks),
        "w1/std": _digits(found.w1),
        "missing": _share(finding.missing_ratio),
        "unseen": _share(finding.unseen_ratio),
        "outside": _share(finding.outside_ratio),
        "what changed most": finding.reason or (moves if finding.verdict == "drifted" else ""),
    }


def _brief(
    rows: "Sequence[Mapping[str, object]]", findings: "Sequence[Finding]"
) -> "list[dict[str, object]]":
    """Return the columns that a narrow terminal has room for; shares only if one is not zero."""
    shares = {
        "missing": any(finding.missing_ratio for finding in findings),
        "unseen": any(finding.unseen_ratio for finding in findings),
        "outside": any(finding.outside_ratio for finding in findings),
    }
    kept = (
        "column",
        "verdict",
        "tv",
        *(name for name, shown in shares.items() if shown),
        "what changed most",
    )
    return [{name: row[name] for name in kept} for row in rows]


def _digits(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"


@contextmanager
def _progress(doing: str) -> "Iterator[tuple[Callable[[int | None], None], Callable[[int], None]]]":
    """Show a bar on stderr; yield how to say the total and how to move it on."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from mlobs.cli.printing import console

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} rows"),
        TimeElapsedColumn(),
    )
    talk = console(stderr=True)
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda total: bar.update(task, total=total), lambda rows: bar.advance(task, rows)
