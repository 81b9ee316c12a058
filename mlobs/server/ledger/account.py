"""Sets what the hops counted against each other. Pure.

Inside a hop: what came is sent, dropped, left out or waits. Between two: what one sent the next has taken.
A hop that was started again has lost its counts from before; then its neighbours are compared across it. What
is gone in it they show only as far as nobody else sends to the hop behind, so its own counts are told too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mlobs.server.ledger.entries import HOPS, PROGRAMS, SERVER, SIGNALS, Entry, Way

SLACK_S = 2.0  # Clocks and starts may differ by so much.
MISSING, RESTART, LOST, UNKNOWN, MORE = "missing", "restart", "lost", "unknown", "more"
FILTERED, MOVING, NOTE = "filtered", "moving", "note"
AGAIN = "They are on their way, or lost: ask again a little later."
WORDS = {"traces": "spans", "metrics": "metric points", "logs": "log records"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know about a signal.

    Args:
        kind: "missing": no counter explains it. "lost": dropped and counted, or gone in a restart. "restart":
            left out by sampling, or lost, in a hop whose counts a restart took. "unknown": cannot be told.
            "more": more came out than went in. "filtered": left out by a filter, as it was told to.
            "moving": no more than the counts are off by, for they are not of one moment. "note": how
            something was counted.
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
    did not get; `gap` those that came and are nowhere in counts of which a restart took a part.
    """

    hop: str
    signal: str
    places: int = 0
    came: float = 0
    own: float = 0
    sent: float = 0
    dropped: dict[str, float] = field(default_factory=dict)
    refused: dict[str, float] = field(default_factory=dict)
    filtered: dict[str, float] = field(default_factory=dict)
    sampled_out: float = 0
    waiting: float = 0
    waiting_bytes: float = 0
    on_disk: float = 0
    missing: float = 0
    lost_before: float = 0
    gap: float = 0
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

    @property
    def lost(self) -> bool:
        """Whether anything is gone for good: missing, dropped, or lost in a restart."""
        return any(one.kind in {MISSING, LOST} for one in self.findings)


def account(entries: Iterable[Entry], *, whole: bool) -> Account:
    """Return the ledger of what every process said.

    Args:
        entries: What they said.
        whole: Whether every hop is among them. Where collectors may be in between that nobody asked, they may
            have left spans out, so that nothing can be said to be missing between programs and server.
    """
    # A collector that was only looked for and has had nothing is of another way, not one that lost all.
    held = [one for one in entries if one.named or not one.idle]
    findings: list[Finding] = []
    chains = []
    for signal in SIGNALS:
        of_signal = [one for one in held if one.signal == signal]
        hops = [_line(hop, signal, [one for one in of_signal if one.hop == hop], findings) for hop in HOPS]
        there = [line for line in hops if line is not None]
        if any(line.came or line.own for line in there):
            findings += _past(there, _between(there, whole=whole))
            chains.append(there)
    lines = [line for there in chains for line in there]
    for there in chains:
        findings += _unheard(there, _stuck(lines))
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
        _add(line.filtered, one.filtered)
        _settle(line, one, findings)
        if one.began_s is not None:
            line.began_s = min(line.began_s or one.began_s, one.began_s)
            line.newest_s = max(line.newest_s or one.began_s, one.began_s)
        findings += [Finding(NOTE, signal, one.place, 0, f"{one.place}: {note}.") for note in one.notes]
        findings += _cut(one)
    for reason, count in line.dropped.items():
        says = f"{count:,.0f} {WORDS[signal]} were dropped in {_named(hop)}: {reason}."
        findings.append(Finding(LOST, signal, hop, count, says))
    for name, count in line.filtered.items():
        says = f"{count:,.0f} {WORDS[signal]} were left out in {_named(hop)} by {name}."
        findings.append(Finding(FILTERED, signal, hop, count, says))
    return line


def _cut(one: Entry) -> list[Finding]:
    """Say which traces there was no room for, or no time; how many spans they had nobody counts."""
    found = []
    if one.unjudged:
        says = (
            f"{one.place}: {one.unjudged:,.0f} traces were in its memory when it was last read before it was "
            "started again. If it was killed they are lost, and counted as left out."
        )
        found.append(Finding(RESTART, one.signal, one.place, 0, says))
    return found + [
        Finding(LOST, one.signal, one.place, 0, f"{one.place}: {count:,.0f} traces were dropped {why}.")
        for why, count in one.cut.items()
    ]


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
        else:
            _miss(line, one, gap, findings, "neither kept nor left out")
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
    _miss(line, one, worst, findings, "neither sent nor dropped, and none waits")


def _gone(way: Way) -> float:
    return way.sent + sum(way.dropped.values()) + (way.waiting or 0)


def _miss(line: Line, one: Entry, count: float, findings: list[Finding], how: str) -> None:
    """Tell of what came to a process and is nowhere: missing, if its counts are whole and of one moment."""
    counted = f"{count:,.0f} {WORDS[one.signal]}"
    if count <= 0.5:
        return
    if count <= one.blur:
        kind = MOVING
        says = f"{counted} that came to {one.place} were {how}, when it was last read. {AGAIN}"
    elif one.complete:
        kind = MISSING
        line.missing += count
        says = f"{counted} are missing inside {one.place}: they came, and were {how}."
    else:
        kind = UNKNOWN
        line.gap += count
        says = (
            f"{counted} that came to {one.place} were {how}, by its counts, of which a restart took a part: "
            "they were lost there, or sent just before it and not counted."
        )
    findings.append(Finding(kind, one.signal, one.place, count, says))


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
    known = sum(one.waiting + _given_up(one) + one.missing - one.own for one in across)
    short = upper.sent - lower.came - known
    if short > 0:  # The gaps of hops in between are told already.
        short = max(0.0, short - sum(one.gap for one in across))
    blur = upper.blur + lower.blur
    if short < -max(blur, 0.5):
        return [_more(upper, lower, -short)]
    if short <= 0.5:
        return []
    counted = f"{short:,.0f} {WORDS[upper.signal]}"
    if short <= blur:
        says = (
            f"{counted} that {_named(upper.hop)} sent had not come to {_named(lower.hop)} when each was last "
            f"read, which was not at one moment. {AGAIN}"
        )
        return [Finding(MOVING, upper.signal, where, short, says)]
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
    return [_gone_between(upper, lower, short)]


def _given_up(line: Line) -> float:
    return line.sampled_out + sum(line.filtered.values()) + sum(line.dropped.values())


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
    return Finding(LOST, upper.signal, where, short, says)


def _gone_between(upper: Line, lower: Line, short: float) -> Finding:
    above, below = _named(upper.hop), _named(lower.hop)
    says = (
        f"{short:,.0f} {WORDS[upper.signal]} are missing between {above} and {below}: {upper.sent:,.0f} were "
        f"acknowledged to {above}, and {lower.came:,.0f} came to {below}."
    )
    if (upper.hop, lower.hop) == (PROGRAMS, SERVER):
        says += " If a collector is in between, name its page of metrics: it may have left them out."
    return Finding(MISSING, upper.signal, f"{upper.hop} -> {lower.hop}", short, says)


def _more(upper: Line, lower: Line, count: float) -> Finding:
    where = f"{upper.hop} -> {lower.hop}"
    counted = f"{count:,.0f} {WORDS[upper.signal]}"
    begin = f"{counted} more came to {_named(lower.hop)} than {_named(upper.hop)} counted: "
    if upper.hop == PROGRAMS and upper.signal == "metrics":
        says = (
            "an export of metrics cannot count itself, so the last of each program is in no count, "
            "nor are those of programs that do not count."
        )
        return Finding(NOTE, upper.signal, where, count, begin + says)
    if upper.hop == PROGRAMS:
        says = "from programs that do not count or were killed, after their last count, or twice."
    else:
        says = "from elsewhere, twice because an answer was lost, or counted before a restart."
    return Finding(MORE, upper.signal, where, count, begin + says)


def _past(lines: Sequence[Line], found: Sequence[Finding]) -> list[Finding]:
    """Set what the first collector lacks against what the server has too much: that went past the collectors.

    Other programs may have sent as much to the server while that was lost, so it cannot be told.
    """
    if len(lines) < 3 or (lines[0].hop, lines[-1].hop) != (PROGRAMS, SERVER):
        return list(found)
    upper, lower, last, server = lines[0], lines[1], lines[-2], lines[-1]
    short = next(
        (one for one in found if (one.kind, one.where) == (MISSING, f"{upper.hop} -> {lower.hop}")), None
    )
    more = next((one for one in found if one.kind == MORE and one.where.endswith(f"-> {SERVER}")), None)
    if short is None or more is None:
        return list(found)
    around = min(short.count, more.count)
    lower.lost_before -= around
    says = (
        f"{around:,.0f} {WORDS[upper.signal]} that the programs sent did not come to {_named(lower.hop)}, "
        f"and as many more came to the server than {_named(last.hop)} sent: they went past the collectors, "
        "or were lost while others came. Where the collectors are of another way, ask with --no-collectors."
    )
    rest = [one for one in found if one is not short and one is not more]
    rest.append(Finding(UNKNOWN, upper.signal, f"{PROGRAMS} -> {SERVER}", around, says))
    if short.count - around > 0.5:
        rest.append(_gone_between(upper, lower, short.count - around))
    if more.count - around > 0.5:
        rest.append(_more(last, server, more.count - around))
    return rest


def _stuck(lines: Sequence[Line]) -> str:
    """Return where metrics wait, were refused or dropped: a program's counts may be among them."""
    held = [
        one.hop
        for one in lines
        if one.signal == "metrics"
        and (one.holds or one.waiting or one.waiting_bytes or one.dropped or one.refused)
    ]
    return " and ".join(_named(hop) for hop in held)


def _unheard(lines: Sequence[Line], stuck: str) -> list[Finding]:
    """Say which hops say nothing."""
    signal, there = lines[0].signal, {line.hop for line in lines}
    words = WORDS[signal]
    unheard = f"No program says how many {words} it made (those with mlobs.init() do"
    unheard += f", in metrics, and metrics are held up or lost in {stuck})" if stuck else ")"
    said = {
        PROGRAMS: f"{unheard}, so what is lost before the first hop cannot be seen.",
        SERVER: f"No server says how many {words} it took and stored.",
    }
    return [Finding(UNKNOWN, signal, hop, 0, says) for hop, says in said.items() if hop not in there]


def _named(hop: str) -> str:
    return f"the {hop}"
