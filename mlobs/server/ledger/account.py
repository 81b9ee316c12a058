"""Sets what the hops counted against each other. Pure.

Inside a hop: what came is sent, dropped, left out or waits. Between two: what one sent the next has taken.
A hop that was started again has lost its counts from before; then its neighbours are compared across it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mlobs.server.ledger.entries import HOPS, PROGRAMS, SERVER, SIGNALS, Entry, Way

SLACK_S = 2.0  # Clocks and starts may differ by so much.
MISSING, RESTART, LOST, UNKNOWN, MORE = "missing", "restart", "lost", "unknown", "more"
WORDS = {"traces": "spans", "metrics": "metric points", "logs": "log records"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know about a signal.

    Args:
        kind: "missing": no counter explains it. "restart": lost, or not counted, in a restart.
            "lost": dropped and counted. "unknown": cannot be told. "more": more came out than went in.
        signal: One of SIGNALS.
        where: A hop, or two with an arrow between them.
        count: How many records.
        says: A sentence.
    """

    kind: str
    signal: str
    where: str
    count: float
    says: str


@dataclass(slots=True)
class Line:
    """One hop, all its processes together.

    `missing` are those that came and are nowhere; `lost_before` those that the hop before sent and this one
    did not get.
    """

    hop: str
    signal: str
    places: int = 0
    came: float = 0
    own: float = 0
    sent: float = 0
    dropped: dict[str, float] = field(default_factory=dict)
    refused: dict[str, float] = field(default_factory=dict)
    sampled_out: float = 0
    waiting: float = 0
    waiting_bytes: float = 0
    on_disk: float = 0
    missing: float = 0
    lost_before: float = 0
    complete: bool = True
    samples: bool = False
    holds: bool = False
    blur: float = 0
    began_s: float | None = None
    newest_s: float | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """The ledger.

    Args:
        lines: One for each signal and hop.
        findings: What is to be said of them.
    """

    lines: tuple[Line, ...]
    findings: tuple[Finding, ...]

    @property
    def missing(self) -> float:
        """How many records are missing that no counter explains."""
        return sum(one.count for one in self.findings if one.kind == MISSING)


def account(entries: Iterable[Entry], *, whole: bool) -> Account:
    """Return the ledger of what every process said.

    Args:
        entries: What they said.
        whole: Whether every hop is among them. Where collectors may be in between that nobody asked, they may
            have left spans out, so that nothing can be said to be missing between programs and server.
    """
    held = list(entries)
    lines: list[Line] = []
    findings: list[Finding] = []
    for signal in SIGNALS:
        of_signal = [one for one in held if one.signal == signal]
        hops = [_line(hop, signal, [one for one in of_signal if one.hop == hop], findings) for hop in HOPS]
        there = [line for line in hops if line is not None]
        if any(line.came or line.own for line in there):
            findings += _between(there, whole=whole)
            findings += _unheard(there)
            lines += there
    return Account(tuple(lines), tuple(findings))


def _line(hop: str, signal: str, entries: Sequence[Entry], findings: list[Finding]) -> Line | None:
    """Add a hop's processes up, and check each."""
    if not entries:
        return None
    line = Line(hop, signal)
    for one in entries:
        line.places += 1
        line.came += one.came
        line.own += one.own
        line.on_disk += one.parked - one.own if hop == PROGRAMS else 0
        line.sent += one.way.sent
        line.complete &= one.complete
        line.samples |= one.samples
        line.blur += one.blur
        _add(line.refused, one.refused)
        _add(line.dropped, one.filtered)
        _settle(line, one, findings)
        if one.began_s is not None:
            line.began_s = min(line.began_s or one.began_s, one.began_s)
            line.newest_s = max(line.newest_s or one.began_s, one.began_s)
        findings += [Finding(LOST, signal, one.place, 0, f"{one.place}: {note}.") for note in one.notes]
    for reason, count in line.dropped.items():
        says = f"{count:,.0f} {WORDS[signal]} were dropped in {_named(hop)}: {reason}."
        findings.append(Finding(LOST, signal, hop, count, says))
    return line


def _add(into: dict[str, float], more: Mapping[str, float]) -> None:
    for reason, count in more.items():
        if count:  # programs also tell of what has not happened to them
            into[reason] = into.get(reason, 0) + count


def _settle(line: Line, one: Entry, findings: list[Finding]) -> None:
    """Find out where what came to a process is."""
    left = one.came + one.own + one.before - one.parked - sum(one.filtered.values())
    through = left
    if one.samples:
        through = (
            one.kept if one.kept is not None else max((_gone(way) for way in one.ways.values()), default=0)
        )
        gap = left - through
        if one.left_out:
            line.sampled_out += max(0.0, gap)
        elif one.undecided:
            line.waiting += max(0.0, gap)
            line.holds = True
        elif gap > 0 and one.complete:
            _miss(line, one, gap, findings, "came and were neither kept nor left out")
    worst = 0.0
    for name, way in one.ways.items():
        rest = through - _gone(way)
        line.holds |= way.holds
        if name == one.onward:
            _add(line.dropped, way.dropped)
            line.waiting_bytes += way.bytes or 0
            waits = way.waiting if way.waiting is not None else max(0.0, rest) if way.holds else 0.0
            line.waiting += waits
        if way.waiting is None and way.holds:
            rest = min(rest, 0.0)
        worst = max(worst, rest)
    if worst > one.blur and one.complete:
        _miss(line, one, worst, findings, "came, and were neither sent nor dropped, and none waits")


def _gone(way: Way) -> float:
    return way.sent + sum(way.dropped.values()) + (way.waiting or 0)


def _miss(line: Line, one: Entry, count: float, findings: list[Finding], how: str) -> None:
    line.missing += count
    says = f"{count:,.0f} {WORDS[one.signal]} are missing inside {one.place}: they {how}."
    findings.append(Finding(MISSING, one.signal, one.place, count, says))


def _between(lines: Sequence[Line], *, whole: bool) -> list[Finding]:
    """Compare each hop with the next whose counts can be compared with its own."""
    found = []
    at = 0
    while at < len(lines) - 1:
        upper, after = lines[at], at + 1
        while after < len(lines) - 1 and _young(lines[after], upper):
            after += 1  # It lacks counts: look across it.
        found += _edge(upper, lines[at + 1 : after], lines[after], whole=whole)
        at = after
    return found


def _young(line: Line, upper: Line) -> bool:
    """Return whether a hop lacks counts that the hop before has: it was started again, or later."""
    if not line.complete:
        return True
    began, newest = upper.began_s, line.newest_s
    short = line.came < upper.sent - upper.blur - line.blur
    return short and began is not None and newest is not None and newest > began + SLACK_S


def _edge(upper: Line, across: Sequence[Line], lower: Line, *, whole: bool) -> list[Finding]:
    where = f"{upper.hop} -> {lower.hop}"
    known = sum(one.waiting + one.sampled_out + sum(one.dropped.values()) - one.own for one in across)
    short = upper.sent - lower.came - known
    blur = upper.blur + lower.blur
    if short < -max(blur, 0.5):
        return [Finding(MORE, upper.signal, where, -short, _more(upper, lower, -short))]
    if short <= max(blur, 0.5):
        return []
    counted = f"{short:,.0f} {WORDS[upper.signal]}"
    if _young(lower, upper):
        says = (
            f"{counted} that {_named(upper.hop)} sent are not in the counts of {_named(lower.hop)}, which "
            "begin later. Whether they are missing cannot be told; compare a while with --for 60."
        )
        return [Finding(UNKNOWN, upper.signal, where, short, says)]
    if across:
        return [_crossed(upper, across, where, short, counted)]
    if not whole and (upper.hop, lower.hop) == (PROGRAMS, SERVER):
        says = (
            f"{counted} that the programs sent did not come to the server. Collectors in between may have "
            "left them out, keep them, or have lost them: mlobs doctor --loss asks them."
        )
        return [Finding(UNKNOWN, upper.signal, where, short, says)]
    lower.lost_before += short
    says = (
        f"{counted} are missing between {_named(upper.hop)} and {_named(lower.hop)}: {upper.sent:,.0f} were "
        f"acknowledged to {_named(upper.hop)}, and {lower.came:,.0f} came to {_named(lower.hop)}."
    )
    if (upper.hop, lower.hop) == (PROGRAMS, SERVER):
        says += " If a collector is in between, name its page of metrics: it may have left them out."
    return [Finding(MISSING, upper.signal, where, short, says)]


def _crossed(upper: Line, across: Sequence[Line], where: str, short: float, counted: str) -> Finding:
    """Say what can be said of records that went into hops whose counts are gone."""
    passed = " and ".join(_named(one.hop) for one in across)
    if any(one.samples for one in across):
        says = (
            f"{counted} were left out by {passed}, or lost there when it was started again: its counts went."
        )
        return Finding(RESTART, upper.signal, where, short, says)
    if any(one.holds for one in across):
        says = (
            f"{counted} wait in {passed}, or were lost there when it was started again. Ask when it is empty."
        )
        return Finding(UNKNOWN, upper.signal, where, short, says)
    says = f"{counted} were lost in {passed} when it was started again, or on the way there."
    return Finding(RESTART, upper.signal, where, short, says)


def _more(upper: Line, lower: Line, count: float) -> str:
    counted = f"{count:,.0f} {WORDS[upper.signal]}"
    begin = f"{counted} more came to {_named(lower.hop)} than {_named(upper.hop)} counted: "
    if upper.hop == PROGRAMS:
        return begin + "from programs that do not count or were killed, after their last count, or twice."
    return begin + "from elsewhere, twice because an answer was lost, or counted before a restart."


def _unheard(lines: Sequence[Line]) -> list[Finding]:
    """Say which hops say nothing."""
    signal, there = lines[0].signal, {line.hop for line in lines}
    words = WORDS[signal]
    said = {
        PROGRAMS: f"No program says how many {words} it made (those with mlobs.init() do), so what is lost "
        "before the first hop cannot be seen.",
        SERVER: f"No server says how many {words} it took and stored.",
    }
    return [Finding(UNKNOWN, signal, hop, 0, says) for hop, says in said.items() if hop not in there]


def _named(hop: str) -> str:
    return f"the {hop}"
