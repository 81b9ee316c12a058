"""One column of a report as HTML: a line that says the verdict, and what it rests on behind it."""

from collections.abc import Sequence

from mlobs.drift.bars import Bar
from mlobs.drift.feature import NULL
from mlobs.drift.finding import Finding, Verdict
from mlobs.drift.measures import point
from mlobs.drift.report.markup import text
from mlobs.drift.report.pictures import NAMES, picture, spark

CHIPS: dict[Verdict, str] = {
    "schema change": "schema",
    "drifted": "drifted",
    "insufficient data": "unknown",
    "stable": "stable",
    "new column": "new",
}
DISTANCES = (("tv", "wrong bin"), ("psi", "PSI"), ("js", "JS"), ("ks", "KS"), ("w1", "W1"))
SHARES = {"tv"}
BARS_IF_STABLE = 24


def card(finding: Finding, *, opened: bool) -> str:
    """Return the card of a column."""
    chip = CHIPS[finding.verdict]
    tags = [str(finding.role)] if finding.role != "feature" else []
    tags += [finding.kind] if finding.kind else []
    tv = finding.distances.tv
    line = [
        f'<span class="chip {chip}">{text(finding.verdict)}</span>',
        f'<bdi class="name">{text(finding.column)}</bdi>',
        f'<span class="tags">{"".join(f"<span>{text(tag)}</span>" for tag in tags)}</span>',
        f'<span class="why">{text(why(finding))}</span>',
        f'<span class="tv">{"" if tv is None else f"{tv:.1%}"}</span>',
        spark(finding.bars) if finding.bars else '<span class="spark"></span>',
    ]
    key = text(finding.column.lower())
    return (
        f'<details class="card" data-name="{key}" data-verdict="{chip}" data-tv="{tv or 0:.6f}"'
        f"{' open' if opened else ''}><summary>{''.join(line)}</summary>"
        f'<div class="body">{_body(finding, opened=opened)}</div></details>'
    )


def why(finding: Finding) -> str:
    """Return in a few words what a verdict rests on: what changed most."""
    if finding.verdict != "drifted":
        return finding.reason
    parts = [
        f"{NAMES.get(m.bin, m.bin)}: {m.reference_ratio:.1%} → {m.live_ratio:.1%}" for m in finding.moves[:2]
    ]
    if finding.shift is not None and finding.shift.at_least > 0:
        parts.insert(0, f"mean vector moved by {finding.shift.debiased:.2f} spreads")
    return "; ".join(parts)


def _body(finding: Finding, *, opened: bool) -> str:
    bars = finding.bars if opened else _fewer(finding.bars)
    figures = [_figure(label, _distance(finding, name)) for name, label in DISTANCES]
    if finding.tv_lower_bound is not None:
        figures.insert(1, _figure("at least", f"{finding.tv_lower_bound:.1%}"))
        figures.insert(2, _figure("floor", _share(finding.floor)))
    if finding.psi_debiased is not None:
        figures.append(_figure("PSI debiased", _with_interval(finding, "psi", finding.psi_debiased)))
    if finding.shift is not None:
        shift = finding.shift
        shown = f"{shift.debiased:.3f} spreads, at least {shift.at_least:.3f}"
        figures.append(_figure("mean vector", shown))
    figures.append(_figure("mean", _mean(finding)))
    figures.append(_figure("missing", _missing(finding)))
    figures.append(_figure("unseen", _share(finding.unseen_ratio)))
    figures.append(_figure("outside", _share(finding.outside_ratio)))
    figures.append(_figure("rows", f"{finding.reference_rows:,} → {finding.rows:,}"))
    return f"{picture(finding.kind or '', bars)}<dl>{''.join(figures)}</dl>"


def _figure(label: str, shown: str | None) -> str:
    return "" if shown is None else f"<div><dt>{label}</dt><dd>{text(shown)}</dd></div>"


def _distance(finding: Finding, name: str) -> str | None:
    value = getattr(finding.distances, name)
    if value is None or name == "psi":  # whose interval is that of the debiased value
        return None if value is None else f"{value:.4f}"
    return _with_interval(finding, name, value)


def _with_interval(finding: Finding, name: str, value: float) -> str:
    form = ".1%" if name in SHARES else ".4f"
    interval = finding.intervals.get(name)
    behind = "" if interval is None else f" [{interval[0]:{form}}, {interval[1]:{form}}]"
    return f"{round(value, 4) + 0.0:{form}}{behind}"


def _mean(finding: Finding) -> str | None:
    if finding.mean is None or finding.reference_mean is None or finding.kind is None:
        return None
    return f"{point(finding.kind, finding.reference_mean)} → {point(finding.kind, finding.mean)}"


def _missing(finding: Finding) -> str | None:
    before = [bar.reference_ratio for bar in finding.bars if bar.bin == NULL]
    now = finding.missing_ratio
    return _share(now) if not before or now is None else f"{before[0]:.1%} → {now:.1%}"


def _share(ratio: float | None) -> str | None:
    return None if ratio is None else f"{ratio:.1%}"


def _fewer(bars: Sequence[Bar]) -> Sequence[Bar]:
    """Return neighbouring ranges as one, so that the page of a thousand columns stays small."""
    ranges = [bar for bar in bars if bar.low is not None]
    step = -(-len(ranges) // BARS_IF_STABLE)
    if step < 2:
        return bars
    joined = [
        Bar(
            bin=group[0].bin,
            low=group[0].low,
            high=group[-1].high,
            reference_ratio=sum(bar.reference_ratio for bar in group),
            live_ratio=sum(bar.live_ratio for bar in group),
        )
        for group in (ranges[i : i + step] for i in range(0, len(ranges), step))
    ]
    return [*joined, *(bar for bar in bars if bar.low is None)]
