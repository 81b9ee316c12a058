"""What happens inside a program that `mlobs run` started. Edge: it watches imports.

The program's own code comes first: it may call `mlobs.init` or set a TracerProvider of its own, both
usually after its imports. So importing a GenAI library only instruments it; mlobs is switched on
when the first call is made that would be recorded. A program that uses none of this pays nothing.
"""

import sys
import threading
from typing import TYPE_CHECKING

from mlobs import _guard
from mlobs.instrument.arrivals import when_imported
from mlobs.instrument.libraries import IMPORTS, KNOWN

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from mlobs.instrument.calls import Call
    from mlobs.instrument.sites import Site

_OURS = ("mlobs.instrument.nouns", "mlobs.instrument.annotate", "mlobs.instrument.middleware")
_switching = threading.RLock()


def watch_program() -> None:
    """Be ready for the first GenAI library, or the first decorated function, of this program."""
    for library in sorted(KNOWN):
        when_imported(IMPORTS.get(library, (library,)), _arrived)
    for name in _OURS:
        when_imported((name,), _arrived)


class FirstCall:
    """The recorder until the first call is made: it switches mlobs on and makes way."""

    def __init__(self) -> None:
        self._under_way = False

    def start(self, site: "Site", outer: "Context") -> "Call | None":
        """Start the first call with the recorder that is in use from now on."""
        from mlobs.instrument.recorders import active

        self.make_way()
        recorder = active.recorder
        return None if recorder is None or recorder is self else recorder.start(site, outer)

    def finish(self, call: "Call", error: BaseException | None = None) -> None:
        """Finish the first call."""
        from mlobs.instrument.recorders import active

        recorder = active.recorder
        if recorder is not None and recorder is not self:
            recorder.finish(call, error)

    def make_way(self) -> None:
        """Switch mlobs on; threads that come at the same time wait for it."""
        from mlobs.instrument.init import init
        from mlobs.instrument.recorders import active

        with _switching:
            if active.recorder is not self or self._under_way:
                return
            self._under_way = True
            try:
                init()
            except Exception:  # noqa: BLE001 # never into the user's program
                _guard.failed("switching on below `mlobs run`", "The program goes on; nothing is recorded.")
            finally:
                self._under_way = False
                if active.recorder is self:
                    active.recorder = None


_first = FirstCall()


def switch_on() -> None:
    """Switch mlobs on, if the program was started by `mlobs run` and has not done so itself."""
    from mlobs.instrument.recorders import active

    if active.recorder is _first:
        _first.make_way()


def _arrived() -> None:
    """Instrument what is imported; switch on at the first call, or now for what cannot wait."""
    from mlobs.instrument.activation import activate
    from mlobs.instrument.natives import unasked
    from mlobs.instrument.recorders import active

    if active.recorder is None and not active.closed:
        active.recorder = _first
    activate()
    # A library that makes spans unasked does not ask us before the first; where the program works with
    # OpenTelemetry's SDK, it will set a provider, and those spans go there.
    if unasked(sys.modules) and "opentelemetry.sdk.trace" not in sys.modules:
        switch_on()
