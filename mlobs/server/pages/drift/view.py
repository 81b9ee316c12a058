"""Shapes drift for its pages: data in, data out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from mlobs.server.ask.ranges import NS
from mlobs.server.pages import charts
from mlobs.server.pages.amounts import count, ratio
from mlobs.server.pages.charts import Axis, Series
from mlobs.server.pages.drift.watched import KEYS
from mlobs.server.pages.links import address, term

Row = Mapping[str, Any]
PATH, ONE = "/drift", "/drift/feature"
WHO = ("service", "model", "version", "ref")
FEATURES_SHOWN, PROCESSES_SHOWN = 200, 4
BELOW, ABOVE, MISSING, UNSEEN, REST = "__below__", "__above__", "__null__", "__other__", "__rest__"
WORDS = {BELOW: "below", ABOVE: "above", MISSING: "missing", UNSEEN: "unseen", REST: "rest"}
ORDER = {BELOW: -1, REST: 1, ABOVE: 1, MISSING: 2, UNSEEN: 3}
QUALITY = (("missing", (MISSING,), "s5"), ("unseen", (UNSEEN,), "s4"), ("out of range", (BELOW, ABOVE), "s2"))


@dataclass(frozen=True, slots=True)
class Bin:
    """What a bin of a feature held, in the reference and in the range of time.

    Attributes:
        name: As people call it: the values it holds, where programs tell them.
        begins: Where the values begin that it holds; "" where it is no range.
        usual: Whether it is more than a place for what the training data may not have.
        reference: Its share of the training data.
        live: Its share of what was counted; None if nothing was.
        rows: What was counted.
    """

    name: str
    reference: float
    live: float | None
    rows: int
    begins: str = ""
    usual: bool = True

    @property
    def more(self) -> float | None:
        """How much larger its share is than in the reference."""
        return None if self.live is None else self.live - self.reference

    @property
    def points(self) -> str:
        """The same in points of percent, as it is shown."""
        return "" if self.more is None else f"{round(self.more * 100, 1) or 0.0:+.1f}"


def monitors(watches: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the monitors that features belong to: those with alarms first, then by evidence."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for one in watches:
        found.setdefault(tuple(one[name] for name in WHO), []).append(one)
    rows = [_monitor(dict(zip(WHO, who, strict=True)), of) for who, of in found.items()]
    return sorted(rows, key=lambda one: (-one["moved"], -one["nearest"], one["model"]))


def features(watches: Iterable[Row]) -> list[dict[str, Any]]:
    """Return rows of the table of features, those with most evidence first."""
    rows = [feature(one) for one in watches]
    return sorted(rows, key=lambda one: (not one["alarm"], -one["reached"]))


def feature(watch: Row) -> dict[str, Any]:
    """Return a feature as a row of a table has it."""
    reached = watch["reached"]
    return {
        **watch,
        # The bar is as long as the alarm, or longer where the evidence is.
        "bar": 100 * min(1.0, reached),
        "at": 100.0 if reached <= 1 else 100 / reached,
        "told": of_alarm(reached),
        "part": "other segments" if watch["segment"] == REST else watch["segment"],
        "address": where(watch),
        "moves": [{**one, "bin": called(one["bin"])} for one in watch["moves"][:2]],
        "traces": question(watch),
    }


def of_alarm(reached: float) -> str:
    """Return how much evidence there is, measured by what raises the alarm.

    >>> of_alarm(0.4), of_alarm(1.95), of_alarm(32.6)
    ('40 %', '195 %', '33 times')
    """
    return ratio(reached) if reached < 10 else f"{reached:,.0f} times"


def where(watch: Row, **more: object) -> str:
    """Return the address of a feature's page."""
    return address(ONE, {name: watch[name] for name in KEYS}, **more)


def question(watch: Row) -> str:
    """Return the question that finds the traces of a feature's model."""
    return f"{term('service', watch['service'])} {term('model', watch['model'])}"


def called(name: str) -> str:
    """Return what people call a bin.

    >>> called("__null__"), called("03"), called("DE")
    ('missing', '03', 'DE')
    """
    return WORDS.get(name, name)


def bins(reference: Sequence[Row], counts: Sequence[Row]) -> list[Bin]:
    """Return the bins in the order of their axis: the reserved ones last.

    Args:
        reference: Rows of `queries/page_drift_reference.sql`.
        counts: Rows of `queries/page_drift_counts.sql`.
    """
    ratios = {row["bin"]: row["ratio"] for row in reference}
    held = {row["bin"]: row["range"] for row in reference}
    rows: dict[str, int] = {}
    for row in counts:
        rows[row["bin"]] = rows.get(row["bin"], 0) + row["counted"]
    total = sum(rows.values())
    names = sorted({*ratios, *rows}, key=lambda name: (ORDER.get(name, 0), len(name), name))
    return [
        Bin(
            held.get(name) or called(name),
            ratios.get(name, 0.0),
            rows.get(name, 0) / total if total else None,
            rows.get(name, 0),
            begin(held.get(name, "")),
            name not in WORDS,
        )
        for name in names
    ]


def begin(held: str) -> str:
    """Return where a range begins; "" of anything else.

    >>> begin("[12.5, 20)"), begin("3"), begin("< 12.5")
    ('12.5', '', '')
    """
    return held[1:].partition(",")[0] if held.startswith("[") else ""


def distributions(found: Sequence[Bin]) -> Markup:
    """Return reference and live distribution over each other."""
    kept = [one for one in found if one.reference or one.live or one.usual]
    series = [Series("reference", [one.reference for one in kept], "quiet")]
    if any(one.live is not None for one in kept):
        series.append(Series("live", [one.live for one in kept], "s1"))
    names, begins = [one.name for one in kept], [one.begins for one in kept]
    return charts.histogram("Reference and live distribution", names, series, told=ratio, begins=begins)


def evidence(rows: Sequence[Row], axis: Axis, *, together: str, threshold: str, line: float) -> Markup:
    """Return the evidence over time with the line at which the alarm is raised.

    Args:
        rows: Of `queries/page_drift_evidence.sql`.
        axis: Of time.
        together: The metric of all processes' evidence.
        threshold: That of the alarm's line.
        line: Where the alarm is raised now.
    """
    whole: dict[int, float] = {}
    own: dict[str, dict[int, float]] = {}
    for row in rows:
        if row["metric"] == together:
            whole[row["at_s"]] = row["value"]
        elif row["metric"] != threshold:
            own.setdefault(row["instance"], {})[row["at_s"]] = row["value"]
    worst = sorted(own.values(), key=lambda one: -max(one.values()))[:PROCESSES_SHOWN]
    series = [
        Series("one process" if len(worst) == 1 else f"process {place}", _over(one, axis), "quiet")
        for place, one in enumerate(worst, 1)
    ]
    series.append(Series("all processes", _over(whole, axis), "s1"))
    return charts.lines("Evidence that it has moved", axis, series, told=count, limit=line)


def quality(counts: Sequence[Row], axis: Axis) -> Markup:
    """Return how much was missing, never seen before or out of range, over time."""
    totals: dict[int, int] = {}
    parts: dict[str, dict[int, int]] = {}
    for row in counts:
        totals[row["at_s"]] = totals.get(row["at_s"], 0) + row["counted"]
        for name, names, _ in QUALITY:
            if row["bin"] in names:
                at = parts.setdefault(name, {})
                at[row["at_s"]] = at.get(row["at_s"], 0) + row["counted"]
    series = []
    for name, _, mark in QUALITY:
        shares = {at: parts.get(name, {}).get(at, 0) / rows for at, rows in totals.items() if rows}
        series.append(Series(name, _over(shares, axis), mark))
    return charts.lines("Missing, unseen and out of range", axis, series, told=ratio)


def together(rows: Iterable[int | None]) -> int | None:
    """Return a sum of what is known; None where nothing is."""
    known = [one for one in rows if one is not None]
    return sum(known) if known else None


def rows_seen(counts: Sequence[Row], axis: Axis) -> Markup:
    """Return how many rows were seen over time."""
    totals: dict[int, float] = {}
    for row in counts:
        totals[row["at_s"]] = totals.get(row["at_s"], 0) + row["counted"]
    line = [totals.get(time // NS, 0.0) for time in axis.times_ns]
    return charts.bars("Rows", axis, [Series("rows", line, "s1")], told=count)


def _over(values: Mapping[int, float], axis: Axis) -> list[float | None]:
    return [values.get(time // NS) for time in axis.times_ns]


def _monitor(who: Row, of: Sequence[Row]) -> dict[str, Any]:
    return {
        **who,
        "name": f"{who['model']}@{who['version']}" if who["version"] else who["model"],
        "features": len({one["feature"] for one in of}),
        "segments": len({one["segment"] for one in of} - {""}),
        "moved": sum(one["alarm"] for one in of),
        "nearest": max((one["reached"] for one in of), default=0.0),
        "rows": max(
            (one["rows"] for one in of if not one["segment"] and one["rows"] is not None), default=None
        ),
        "processes": max(one["processes"] for one in of),
        "seen": max(one["seen"] for one in of),
        "since": min(filter(None, (one["since"] for one in of)), default=""),
        "address": address(PATH, {name: who[name] for name in WHO}),
        "traces": question(who),
    }
