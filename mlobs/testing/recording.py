"""Records the decorated calls of a block, whether mlobs is on, off, or in a provider of the program."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from opentelemetry.context import Context

from mlobs.evaluate import scores
from mlobs.instrument.calls import NO_STREAM, Call
from mlobs.instrument.context import CALL_KEY
from mlobs.instrument.describe import dynamic, is_error
from mlobs.instrument.outbox import Outbox
from mlobs.instrument.recorders import OwnRecorder, Recorder, active, discover
from mlobs.instrument.sites import Site, Value
from mlobs.instrument.usage import Usage
from mlobs.semconv import attributes as a
from mlobs.testing.pattern import difference, parse

CALLS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class CallSeen:
    """A call that ended while it was recorded.

    Args:
        noun: Such as tool.
        name: The function's name, or the one given to its decorator.
        span_name: The name of its span.
        attributes: Those of its span.
        state: ok, error, cancelled or abandoned.
        error_type: Of a call that failed.
        duration_s: How long it took, in seconds.
        streamed: Whether it was a stream.
        usage: The tokens it used.
        cost_usd: What it cost, or None if that is unknown.
        events: Name and attributes of each event on its span.
        scores: Those it was given while it was recorded.
        children: The calls it made, in the order they began.
    """

    noun: str
    name: str
    span_name: str
    attributes: Mapping[str, Value]
    state: str
    error_type: str | None
    duration_s: float
    streamed: bool
    usage: Usage | None
    cost_usd: float | None
    events: tuple[tuple[str, Mapping[str, Any]], ...]
    scores: tuple["scores.Score", ...] = ()
    children: list["CallSeen"] = field(default_factory=list)


class Run:
    """What a block did."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: list[Call] = []
        self._open = 0
        self._scores: dict[int, list[scores.Score]] = {}
        self._outer: dict[int, int] = {}  # the recorded call around one whose parent is somebody else's span
        self.dropped = 0

    @property
    def open(self) -> int:
        """Return how many calls have begun and not ended, such as streams nobody has read to their end."""
        return self._open

    @property
    def roots(self) -> list[CallSeen]:
        """Return the outermost calls, in the order they began."""
        return self._tree()[0]

    @property
    def calls(self) -> list[CallSeen]:
        """Return all calls, in the order they began."""
        return self._tree()[1]

    def find(self, what: str) -> list[CallSeen]:
        """Return the calls that a pattern such as `tool:refund` or `tool:*!` means."""
        return [call for call in self.calls if difference(parse(f"[{what}]"), [call]) is None]

    @property
    def usage(self) -> Usage:
        """Return the tokens of all calls together."""
        return sum((call.usage for call in self.calls if call.usage is not None), Usage())

    @property
    def cost_usd(self) -> float | None:
        """Return what all calls cost, or None if that is unknown of one that used tokens."""
        used = [call.cost_usd for call in self.calls if call.usage is not None]
        return None if None in used else sum(cost for cost in used if cost is not None)

    def expect(self, pattern: str) -> None:
        """Fail unless the roots look as `pattern` says; see `mlobs.testing.pattern`.

        Raises:
            AssertionError: They do not; the message shows both and the first difference.
            SettingError: The pattern cannot be read.
        """
        wrong = difference(parse(pattern), self.roots)
        if wrong is not None:
            raise AssertionError(f"expected  {pattern}\nrecorded  {self.text()}\nbecause   {wrong}")

    def text(self) -> str:
        """Return the recorded calls in the form of a pattern, one level of indent a level."""
        lines: list[str] = []

        def show(calls: Sequence[CallSeen], indent: str) -> None:
            for call in calls:
                mark = {"error": "!", "abandoned": "^", "cancelled": "%"}.get(call.state, "")
                lines.append(f"{indent}{call.noun}:{call.name}{mark}{'~' if call.streamed else ''}")
                show(call.children, f"{indent}  ")

        show(self.roots, "")
        return "\n          ".join(lines) or "nothing"

    def _tree(self) -> tuple[list[CallSeen], list[CallSeen]]:
        with self._lock:
            ended = sorted(self._ended, key=lambda call: call.started_ns)
        seen = {call.span_id: self._seen(call) for call in ended}
        roots: list[CallSeen] = []
        for call in ended:
            parent = seen.get(call.parent_id) or seen.get(self._outer.get(call.span_id, 0))
            (roots if parent is None else parent.children).append(seen[call.span_id])
        return roots, list(seen.values())

    def _seen(self, call: Call) -> CallSeen:
        attributes = {**call.site.attributes, **dynamic(call, datetime.now(UTC).date())}
        cost = attributes.get(a.COST_USD.name)
        return CallSeen(
            noun=call.site.row.noun,
            name=str(call.site.attributes.get(a.NAME.name, call.site.name)),
            span_name=call.name or call.site.name,
            attributes=attributes,
            state=call.state or ("error" if is_error(call) else "ok"),
            error_type=None if call.failure is None or call.state else call.failure.type,
            duration_s=(call.ended_ns - call.started_ns) / 1e9,
            streamed=call.chunks != NO_STREAM,
            usage=call.usage,
            cost_usd=float(cost) if isinstance(cost, int | float) else None,
            events=tuple((name, about) for name, _, about in call.events or ()),
            scores=tuple(self._scores.get(call.span_id, ())),
        )

    def _began(self, call: Call, outer: Context) -> None:
        above: Any = outer.get(CALL_KEY)
        with self._lock:
            self._open += 1
            if above is not None and above.span_id != call.parent_id:
                self._outer[call.span_id] = above.span_id

    def _finished(self, call: Call) -> None:
        with self._lock:
            self._open -= 1
            if len(self._ended) < CALLS_MAX:
                self._ended.append(call)
            else:
                self.dropped += 1

    def _scored(self, score: "scores.Score") -> None:
        if score.span_id:
            with self._lock:
                self._scores.setdefault(score.span_id, []).append(score)


class _Tee:
    """A recorder that also tells a run; the calls still go where they went before."""

    def __init__(self, inner: Recorder, run: Run) -> None:
        self.inner = inner
        self._run = run
        self._mine: set[int] = set()

    def start(self, site: Site, outer: Context) -> Call | None:
        """Start a call."""
        call = self.inner.start(site, outer)
        if call is not None:
            self._mine.add(call.span_id)
            self._run._began(call, outer)  # noqa: SLF001 # two halves of one thing
        return call

    def finish(self, call: Call, error: BaseException | None = None) -> None:
        """Finish a call; one that began before the block is none of ours."""
        self.inner.finish(call, error)
        if call.span_id in self._mine:
            self._mine.discard(call.span_id)
            self._run._finished(call)  # noqa: SLF001


class capture:  # noqa: N801 # read as a verb: with mlobs.capture() as run:
    """Record every decorated call of a block: `with mlobs.capture() as run:`.

    `run.expect("agent:support > tool:refund!")` fails unless that was called so, `run.find("tool:*")` gives
    calls, and `run.text()` shows them all. `mlobs.testing.pattern` has the language.

    Works without `mlobs.init` and without a network; where mlobs is on, calls are exported all the
    same. Calls that began before the block, or end after it, are not listed.
    """

    def __enter__(self) -> Run:
        self._run = Run()
        self._before = active.recorder
        inner = active.recorder or discover()
        self._tee = _Tee(inner or OwnRecorder(Outbox(CALLS_MAX)), self._run)
        active.recorder = self._tee
        scores.listeners.append(self._run._scored)  # noqa: SLF001
        return self._run

    def __exit__(self, *error: object) -> None:
        scores.listeners.remove(self._run._scored)  # noqa: SLF001
        if active.recorder is self._tee:
            active.recorder = self._before
        # else: the block has switched mlobs on, which stays

    async def __aenter__(self) -> Run:
        return self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        self.__exit__()
