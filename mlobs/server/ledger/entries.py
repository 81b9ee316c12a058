"""What one process says of one signal. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

SIGNALS = ("traces", "metrics", "logs")
PROGRAMS, SIDECAR, GATEWAY, SAMPLER, SERVER = "programs", "sidecar", "gateway", "sampler", "server"
HOPS = (PROGRAMS, SIDECAR, GATEWAY, SAMPLER, SERVER)
COLLECTORS = (SIDECAR, GATEWAY, SAMPLER)

Counted = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Way:
    """One of the places where a hop sends everything to; of most there is only one.

    Args:
        sent: Records that were taken there; of the server, stored.
        dropped: Those that are lost, by reason.
        waiting: Those that wait; None where only their bytes are counted.
        holds: Whether something waits, as far as is known.
        bytes: What waits takes, where that is counted.
    """

    sent: float = 0
    dropped: Counted = field(default_factory=dict)
    waiting: float | None = None
    holds: bool = False
    bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What one process says of one signal.

    Args:
        hop: One of HOPS.
        place: Names the process.
        signal: One of SIGNALS.
        began_s: When its counters began, in seconds since 1970; None where it does not say.
        came: Records that it took from the hop before; programs made them.
        own: Those that came from elsewhere: the journal of an earlier process, a scrape, the disk.
        parked: Those that a program put on its disk; another process may bring them.
        before: Those that are known to have waited when counting began.
        refused: Those that it did not take, by reason; whoever sent them knows.
        filtered: Those that a filter left out, by its name.
        samples: Whether it judges whole traces and leaves some out.
        kept: The spans that it kept; None where that is not counted.
        undecided: The traces that are not judged yet.
        left_out: The traces that were left out.
        unjudged: Those of them that it had in memory when it was last read before it was started again.
        cut: The traces that were lost for want of room, by reason; nobody counts their spans.
        ways: Where it sends to, by name.
        onward: The way to the next hop.
        complete: False where it was started again meanwhile, so that its counts lack what was before.
        rows: Of the server, what its tables have; it outlives the process.
        blur: How many the counts may be off by, because they are not of one moment.
        notes: What else it counted, in sentences.
        named: Whether somebody said that it is on the way; else it was only looked for.
    """

    hop: str
    place: str
    signal: str
    began_s: float | None = None
    came: float = 0
    own: float = 0
    parked: float = 0
    before: float = 0
    refused: Counted = field(default_factory=dict)
    filtered: Counted = field(default_factory=dict)
    samples: bool = False
    kept: float | None = None
    undecided: float = 0
    left_out: float = 0
    unjudged: float = 0
    cut: Counted = field(default_factory=dict)
    ways: Mapping[str, Way] = field(default_factory=lambda: {"": Way()})
    onward: str = ""
    complete: bool = True
    rows: float | None = None
    blur: float = 0
    notes: tuple[str, ...] = ()
    named: bool = True

    @property
    def idle(self) -> bool:
        """Whether nothing came to it at all, taken or refused."""
        return not (self.came or self.own or self.way.sent or any(self.refused.values()))

    @property
    def way(self) -> Way:
        """The way to the next hop."""
        return self.ways.get(self.onward, Way())

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def read_entry(document: Mapping[str, Any]) -> Entry:
    """Return what `document` made, read back; what a server of a later release says besides is left out."""
    known = {one.name for one in fields(Entry)}
    told = {name: value for name, value in document.items() if name in known}
    ways = {name: Way(**way) for name, way in document["ways"].items()}
    return Entry(**{**told, "ways": ways, "notes": tuple(document["notes"])})
