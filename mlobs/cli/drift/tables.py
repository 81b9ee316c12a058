"""Prints a drift report: the verdict, what it rests on, and what the words mean."""

import sys
from collections.abc import Mapping, Sequence

from mlobs.cli.printing import fits, print_rows, visible
from mlobs.drift.finding import Finding, Report

SEGMENTS_SHOWN = 10


def print_report(report: Report, *, wide: bool) -> None:
    """Print a report as a table, with every distance if the terminal is wide or `wide` is asked for."""
    print(visible(report.summary))
    learned = any(finding.floor not in {None, report.floor} for finding in report.compared)
    rows = [_row(finding, learned=learned) for finding in report.compared]
    if rows and wide:
        print_rows(rows, as_json=False, whole=tuple(rows[0]))
    elif rows and fits(rows):
        print_rows(rows, as_json=False)
    elif rows:
        print_rows(_brief(rows, report.compared), as_json=False, spare=("outside", "unseen", "missing", "tv"))
    for one in [one for one in report.segments if one.drifted][:SEGMENTS_SHOWN]:
        found = ", ".join(f"{f.column} (tv {f.distances.tv or 0:.3f})" for f in one.drifted)
        print(visible(f"In the segment {one.label}, {one.rows} rows, drifted: {found}."))
    extra = report.columns("new column")
    if extra:
        print(visible(f"Not in the profile, so not compared: {', '.join(extra)}."))
    for note in report.notes:
        print(visible(note))
    if any(finding.drifted for finding in report.findings) or any(one.drifted for one in report.segments):
        print(report.legend)


def exit_status(report: Report) -> int:
    """Return 0 if nothing moved, 1 if something did, and 2, with a sentence, if nothing can be said."""
    if not report.rows and not report.moved:
        print("mlobs: The data has no rows, so there is nothing to compare.", file=sys.stderr)
        return 2
    if not report.judged:
        print(f"mlobs: {report.rows} rows are too few for a verdict on any column.", file=sys.stderr)
        return 2
    return 1 if report.moved else 0


def _row(finding: Finding, *, learned: bool) -> dict[str, object]:
    found = finding.distances
    return {
        "column": finding.column if finding.role == "feature" else f"{finding.column} ({finding.role})",
        "verdict": finding.verdict,
        "tv": _digits(finding, "tv"),
        "tv at least": None if finding.tv_lower_bound is None else round(finding.tv_lower_bound, 4),
        **({"floor": finding.floor} if learned else {}),
        "psi": None if found.psi is None else round(found.psi, 4),
        "debiased": _shown(finding.psi_debiased, finding.intervals.get("psi")),
        "js": _digits(finding, "js"),
        "ks": _digits(finding, "ks"),
        "w1/std": _digits(finding, "w1") if found.w1 is not None else None,
        "missing": _share(finding.missing_ratio),
        "unseen": _share(finding.unseen_ratio),
        "outside": _share(finding.outside_ratio),
        "what changed most": finding.reason or _moves(finding),
    }


def _moves(finding: Finding) -> str:
    if finding.verdict != "drifted":
        return ""
    parts = [f"{m.bin}: {m.reference_ratio:.1%} → {m.live_ratio:.1%}" for m in finding.moves[:2]]
    if finding.shift is not None and finding.shift.at_least > 0:
        parts.insert(0, f"mean vector: {finding.shift.debiased:.2f} spreads")
    return "; ".join(parts)


def _brief(rows: Sequence[Mapping[str, object]], findings: Sequence[Finding]) -> list[dict[str, object]]:
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
        "tv at least",
        *(["floor"] if "floor" in rows[0] else []),
        *(name for name, shown in shares.items() if shown),
        "what changed most",
    )
    return [{name: row[name] for name in kept} for row in rows]


def _digits(finding: Finding, name: str) -> object:
    """Return a distance, and its interval behind it where there is one."""
    return _shown(getattr(finding.distances, name), finding.intervals.get(name))


def _shown(value: float | None, interval: tuple[float, float] | None) -> object:
    if value is None:
        return None
    rounded = round(value, 4) + 0.0  # no zero with a sign
    return rounded if interval is None else f"{rounded:.4f} [{interval[0]:.4f}, {interval[1]:.4f}]"


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"
