"""Reference and live distributions as small SVG drawings.

Values on an axis are two outlines with the true widths of the bins, so that areas are shares; what lies
far out in thin tails, and what has no place on the axis, stands beside as bars. Categories, cells and
discrete values are pairs of bars with their shares. Colours are classes, set by the page for both themes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mlobs.drift.bars import Bar
from mlobs.drift.feature import ABOVE, BELOW, NULL, OTHER, REST
from mlobs.drift.measures import number, point
from mlobs.drift.report.markup import text

WIDTH, HEIGHT = 620.0, 150.0
SIDE = 46.0  # of a bar beside the axis
LINES_MAX = 20
THIN = 0.004  # of the largest density
TAIL_MAX = 0.05
CLIP = 5.0
SPARK_WIDTH, SPARK_HEIGHT = 90.0, 22.0
NAMES = {NULL: "missing", OTHER: "unseen", BELOW: "below", ABOVE: "above", REST: "rarer ones"}


@dataclass(frozen=True, slots=True)
class Scale:
    """From places on the axis and densities to the drawing."""

    low: float
    high: float
    left: float
    right: float
    top: float  # the density at the upper edge

    def x(self, place: float) -> float:
        """Return the horizontal position of a place."""
        return self.left + (place - self.low) / (self.high - self.low) * (self.right - self.left)

    def y(self, density: float) -> float:
        """Return the vertical position of a density; larger ones than `top` are cut."""
        return HEIGHT - 22 - min(density / self.top, 1.0) * (HEIGHT - 40)


def picture(kind: str, bars: Sequence[Bar]) -> str:
    """Return a feature's bins as one SVG element, or nothing if there are none."""
    inner = [bar for bar in bars if bar.low is not None and bar.high is not None]
    if not bars:
        return ""
    if not inner or not 0 < (inner[-1].high or 0.0) - (inner[0].low or 0.0) < float("inf"):
        return _pairs(bars)
    return _outlines(kind, bars, inner)


def spark(bars: Sequence[Bar]) -> str:
    """Return the shares of bins as a drawing in the line, neighbours taken together to at most two dozen."""
    shown = [bar for bar in bars if bar.reference_ratio or bar.live_ratio]
    step = max(len(shown) // 12, 1)
    groups = [shown[i : i + step] for i in range(0, len(shown), step)]
    pairs = [(sum(b.reference_ratio for b in g), sum(b.live_ratio for b in g)) for g in groups]
    if not pairs:
        return ""
    top = max(max(pair) for pair in pairs)
    width = SPARK_WIDTH / len(pairs)
    parts = []
    for name, which in (("r", 0), ("l", 1)):
        points = [f"0 {SPARK_HEIGHT:g}"]
        for place, pair in enumerate(pairs):
            y = SPARK_HEIGHT - pair[which] / top * (SPARK_HEIGHT - 2)
            points += [f"{_n(place * width)} {_n(y)}", f"{_n((place + 1) * width)} {_n(y)}"]
        points.append(f"{_n(SPARK_WIDTH)} {_n(SPARK_HEIGHT)}")
        parts.append(f'<polyline class="{name}" points="{" ".join(points)}"/>')
    box = f"0 0 {SPARK_WIDTH:g} {SPARK_HEIGHT:g}"
    return f'<svg class="spark" viewBox="{box}" aria-hidden="true">{"".join(parts)}</svg>'


def _outlines(kind: str, bars: Sequence[Bar], inner: Sequence[Bar]) -> str:
    kept, left, right = _without_thin_tails(inner)
    beside = [bar for bar in bars if bar.low is None]
    low_side = _merged("below", [*[b for b in beside if b.bin == BELOW], *left])
    high_side = _merged("above", [*[b for b in beside if b.bin == ABOVE], *right])
    rest = [
        Bar(bin=NAMES.get(b.bin, b.bin), reference_ratio=b.reference_ratio, live_ratio=b.live_ratio)
        for b in beside
        if b.bin not in {BELOW, ABOVE} and (b.reference_ratio or b.live_ratio)
    ]
    before = [low_side] if low_side else []
    after = ([high_side] if high_side else []) + rest
    low, high = kept[0].low or 0.0, kept[-1].high or 0.0
    densities = [(_density(b, b.reference_ratio), _density(b, b.live_ratio)) for b in kept]
    scale = Scale(
        low=low,
        high=high,
        left=6 + SIDE * len(before),
        right=WIDTH - 6 - SIDE * len(after),
        top=_top(densities, kept),
    )
    parts = [_outline("r", kept, [pair[0] for pair in densities], scale)]
    parts.append(_outline("l", kept, [pair[1] for pair in densities], scale))
    parts += [
        _text(scale.x(((b.low or 0.0) + (b.high or 0.0)) / 2), 10, _shares(b), "clip")
        for b, pair in zip(kept, densities, strict=True)
        if max(pair) > scale.top * 1.001
    ]
    parts.append(_axis(kind, scale))
    parts += [_beside(bar, 3 + SIDE * i) for i, bar in enumerate(before)]
    parts += [_beside(bar, scale.right + 3 + SIDE * i) for i, bar in enumerate(after)]
    return _svg(HEIGHT, "reference and live distribution", parts)


def _without_thin_tails(inner: Sequence[Bar]) -> tuple[list[Bar], list[Bar], list[Bar]]:
    """Cut off the outer bins that would squeeze all others into a corner: wide, and nearly empty."""
    highest = max(max(_density(b, b.reference_ratio), _density(b, b.live_ratio)) for b in inner)

    def thin(bar: Bar) -> bool:
        dense = max(_density(bar, bar.reference_ratio), _density(bar, bar.live_ratio))
        return dense < THIN * highest and max(bar.reference_ratio, bar.live_ratio) < TAIL_MAX

    first, last = 0, len(inner)
    while last - first > 2 and thin(inner[first]):
        first += 1
    while last - first > 2 and thin(inner[last - 1]):
        last -= 1
    return list(inner[first:last]), list(inner[:first]), list(inner[last:])


def _top(densities: Sequence[tuple[float, float]], bars: Sequence[Bar]) -> float:
    """Return the density at the upper edge: the largest, unless a spike would hide all others."""
    largest = [max(bar.reference_ratio, bar.live_ratio) for bar in bars]
    ranked = sorted(zip(map(max, densities), largest, strict=True), reverse=True)
    highest = ranked[0][0]
    seen = 0.0
    for density, share in ranked:  # the density that half of the values lie below
        seen += share
        if seen >= 0.5 * sum(share for _, share in ranked):
            return min(highest, CLIP * density) if density else highest or 1.0
    return highest or 1.0


def _outline(name: str, bars: Sequence[Bar], densities: Sequence[float], scale: Scale) -> str:
    points = [f"{_n(scale.x(scale.low))} {_n(scale.y(0))}"]
    for bar, density in zip(bars, densities, strict=True):
        y = _n(scale.y(density))
        points += [f"{_n(scale.x(bar.low or 0.0))} {y}", f"{_n(scale.x(bar.high or 0.0))} {y}"]
    points.append(f"{_n(scale.x(scale.high))} {_n(scale.y(0))}")
    return f'<polyline class="{name}" points="{" ".join(points)}"/>'


def _axis(kind: str, scale: Scale) -> str:
    base = _n(scale.y(0))
    ends = ((scale.low, "start"), ((scale.low + scale.high) / 2, "middle"), (scale.high, "end"))
    labels = "".join(
        _text(scale.x(place), HEIGHT - 6, text(_tick(kind, place, scale)), anchor=anchor)
        for place, anchor in ends
    )
    return f'<path class="axis" d="M{_n(scale.left)} {base}H{_n(scale.right)}"/>{labels}'


def _tick(kind: str, place: float, scale: Scale) -> str:
    if kind == "datetime":
        return point(kind, place - place % 86_400 if scale.high - scale.low > 5 * 86_400 else round(place))
    return number(place, 4)


def _beside(bar: Bar, x: float) -> str:
    """Return a pair of upright bars of their own, for what has no place on the axis."""
    parts = [f"<title>{text(bar.bin)}: {_shares(bar)}</title>"]
    room = HEIGHT - 52
    for name, ratio, offset in (("r", bar.reference_ratio, 6), ("l", bar.live_ratio, 21)):
        tall = max(ratio * room, 1.0 if ratio else 0.0)
        parts.append(_rect(name, x + offset, HEIGHT - 22 - tall, 13, tall))
    high = max(bar.reference_ratio, bar.live_ratio) * room
    parts.append(_text(x + 20, HEIGHT - 26 - high, _percent(bar.live_ratio)))
    parts.append(_text(x + 20, HEIGHT - 6, text(bar.bin)))
    return f"<g>{''.join(parts)}</g>"


def _pairs(bars: Sequence[Bar]) -> str:
    """Return one line a bin with two bars; the smallest ones together."""
    used = [bar for bar in bars if bar.reference_ratio or bar.live_ratio]
    shown = used
    if len(used) > LINES_MAX:
        ranked = sorted(used, key=lambda b: -max(b.reference_ratio, b.live_ratio, _change(b)))
        kept = {id(bar) for bar in ranked[: LINES_MAX - 1]}
        others = _merged(f"{len(used) - len(kept)} others", [b for b in used if id(b) not in kept])
        shown = [bar for bar in used if id(bar) in kept] + ([others] if others else [])
    top = max((max(b.reference_ratio, b.live_ratio) for b in shown), default=1.0)
    room = WIDTH - 170 - 110
    parts = []
    for place, bar in enumerate(shown):
        y = 2 + place * 22
        label = NAMES.get(bar.bin, bar.bin)
        cut = label if len(label) <= 24 else f"{label[:23]}…"
        parts.append(_text(164, y + 13, f"<title>{text(label)}</title>{text(cut)}", anchor="end"))
        for name, ratio, offset in (("r", bar.reference_ratio, 1), ("l", bar.live_ratio, 10)):
            long = max(ratio / top * room, 1.0 if ratio else 0.0)
            parts.append(_rect(name, 170, y + offset, long, 8))
        parts.append(_text(WIDTH - 104, y + 13, _shares(bar), anchor="start"))
    return _svg(22.0 * len(shown) + 4, "reference and live shares", parts)


def _merged(name: str, bars: Sequence[Bar]) -> Bar | None:
    reference, live = sum(b.reference_ratio for b in bars), sum(b.live_ratio for b in bars)
    if not (reference or live):
        return None
    return Bar(bin=name, reference_ratio=reference, live_ratio=live)


def _density(bar: Bar, ratio: float) -> float:
    width = (bar.high or 0.0) - (bar.low or 0.0)
    return ratio / width if width > 0 else 0.0


def _change(bar: Bar) -> float:
    return abs(bar.live_ratio - bar.reference_ratio)


def _shares(bar: Bar) -> str:
    return f"{_percent(bar.reference_ratio)} → {_percent(bar.live_ratio)}"


def _percent(ratio: float) -> str:
    return f"{ratio:.2%}" if 0 < ratio < 0.001 else f"{ratio:.1%}"


def _svg(height: float, label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="picture" viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def _rect(name: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{name}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"/>'


def _text(x: float, y: float, content: str, name: str = "", *, anchor: str = "middle") -> str:
    """Return a text element; `content` is markup."""
    marked = f' class="{name}"' if name else ""
    return f'<text{marked} x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{content}</text>'


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
