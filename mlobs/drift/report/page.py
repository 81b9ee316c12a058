"""The whole page: what moved in a sentence, then every column, then what the words mean."""

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path

from mlobs.drift.feature import NULL
from mlobs.drift.finding import Finding, Report, Segment
from mlobs.drift.report.cards import CHIPS, card
from mlobs.drift.report.markup import text
from mlobs.drift.report.words import FIGURES, verdicts

OPENED_MAX = 20
QUALITY_ROWS_MAX = 20
QUALITY_CHANGE_MIN = 0.001

HERE = Path(__file__).parent


def page(report: Report, *, data: str) -> str:
    """Return the report as an HTML document that loads nothing and sends nothing.

    Args:
        report: Of a check with intervals and bars.
        data: What was checked, such as the names of the files.
    """
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    # Nothing but this style and this script may act here, whatever stands in names and levels.
    policy = f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'"
    title = f"Drift of {report.model}" if report.model else "Drift"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"{_head(report, title, data)}\n<main>\n{_columns(report)}\n{_segments(report)}\n{_quality(report)}\n"
        f"{_legend(report)}\n</main>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _head(report: Report, title: str, data: str) -> str:
    counts = "".join(
        f'<span class="chip {chip}">{len(report.columns(verdict))} {text(verdict)}</span>'
        for verdict, chip in CHIPS.items()
        if report.columns(verdict)
    )
    season = " Compared with the hours of the week in which the rows came." if report.seasonal else ""
    notes = "".join(f'<p class="note">{text(note)}</p>' for note in report.notes)
    return (
        f"<header><h1>{text(title)}</h1>"
        f'<p class="facts">{report.rows:,} rows of {text(data)}, against profile {text(report.profile_ref)}.'
        f'{season}</p><p class="lead">{text(report.summary)}</p><p class="counts">{counts}</p>{notes}'
        f'<p class="key soft">In the drawings: <i class="r"></i>reference <i class="l"></i>live</p></header>'
    )


def _columns(report: Report) -> str:
    options = "".join(f'<option value="{chip}">{text(verdict)}</option>' for verdict, chip in CHIPS.items())
    moved = 0
    cards = []
    for finding in report.findings:
        moved += finding.moved
        cards.append(card(finding, opened=bool(finding.bars) and finding.moved and moved <= OPENED_MAX))
    return (
        '<h2>Columns</h2><div class="tools"><input type="search" id="search" placeholder="Find a column" '
        'aria-label="Find a column"><label>Verdict <select id="filter"><option value="">all</option>'
        f"{options}</select></label>"
        '<label>Order <select id="order"><option value="evidence">evidence</option>'
        '<option value="tv">wrong bin</option><option value="name">name</option></select></label>'
        f'<span id="count" class="soft"></span></div><div id="cards">{"".join(cards)}</div>'
    )


def _segments(report: Report) -> str:
    if not report.segments:
        return ""
    head = (
        '<tr><th>segment</th><th class="n">rows</th><th class="n">share</th><th>drifted</th>'
        '<th class="n">stable</th><th class="n">too few rows</th></tr>'
    )
    rows = "".join(_segment(one) for one in report.segments)
    return f"<h2>Segments by {text(', '.join(report.by))}</h2><table>{head}{rows}</table>"


def _segment(one: Segment) -> str:
    drifted = "; ".join(f"{f.column} ({f.distances.tv or 0:.1%})" for f in one.drifted)
    return (
        f'<tr><td>{text(one.label)}</td><td class="n">{one.rows:,}</td>'
        f'<td class="n">{one.reference_ratio:.1%} → {one.ratio:.1%}</td><td>{text(drifted)}</td>'
        f'<td class="n">{one.stable}</td><td class="n">{one.insufficient}</td></tr>'
    )


def _quality(report: Report) -> str:
    """Return the columns whose shares of unusable values changed most."""
    ranked = sorted(report.compared, key=_worsened, reverse=True)
    shown = [finding for finding in ranked if _worsened(finding) >= QUALITY_CHANGE_MIN][:QUALITY_ROWS_MAX]
    if not shown:
        return "<h2>Data quality</h2><p>Missing, unseen and outlying values are as rare as they were.</p>"
    rows = "".join(
        f'<tr><td><bdi>{text(f.column)}</bdi></td><td class="n">{_missing_before(f):.2%} → '
        f'{f.missing_ratio or 0:.2%}</td><td class="n">{f.unseen_ratio or 0:.2%}</td>'
        f'<td class="n">{"" if f.outside_ratio is None else f"{f.outside_ratio:.2%}"}</td></tr>'
        for f in shown
    )
    names = "".join(f'<th class="n">{name}</th>' for name in ("missing", "unseen", "outside"))
    return f"<h2>Data quality</h2><table><tr><th>column</th>{names}</tr>{rows}</table>"


def _missing_before(finding: Finding) -> float:
    return sum(bar.reference_ratio for bar in finding.bars if bar.bin == NULL)


def _worsened(finding: Finding) -> float:
    missing = abs((finding.missing_ratio or 0.0) - _missing_before(finding))
    return max(missing, finding.unseen_ratio or 0.0, finding.outside_ratio or 0.0)


def _legend(report: Report) -> str:
    return (
        f'<section class="legend"><h2>What the words mean</h2>{_list(verdicts(report).items())}'
        f"<h2>What the figures mean</h2>{_list(FIGURES.items())}</section>"
    )


def _list(entries: Iterable[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<div><dt>{text(a)}</dt><dd>{text(b)}</dd></div>' for a, b in entries)}</dl>"


def _hash(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
