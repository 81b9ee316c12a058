"""The adapter that the cases run against: that of CONFORMANCE_ADAPTER, else mlobs itself.

An adapter has

    nouns                          the kinds of call it has decorators for
    states                         whether it tells cancelled and abandoned calls from good ones
    decorate(noun, function)       returns the decorated function
    clear()                        forgets every span
    spans()                        returns every span since, as `Seen`; delivers what waits first

Nothing here imports mlobs before it is known that mlobs is what is tested.
"""

import importlib.util
import os
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Seen:
    """A span.

    Args:
        name: The decorated function's name.
        id: Of the span.
        parent: Its parent's id, or "".
        trace: Of the trace.
        state: ok, error, cancelled or abandoned.
        error: The type of the error, as far as it is told.
        start_ns: When it began.
        end_ns: When it ended.
    """

    name: str
    id: str
    parent: str
    trace: str
    state: str
    error: str
    start_ns: int
    end_ns: int


class Mlobs:
    """mlobs, exporting to a sink over the real path."""

    states = True

    def __init__(self, sink):
        import mlobs
        from mlobs.semconv.spans import SPANS

        self._mlobs, self._sink = mlobs, sink
        self.nouns = [row.noun for row in SPANS]

    def decorate(self, noun, function):
        return getattr(self._mlobs, noun)(function)

    def clear(self):
        assert self._mlobs.flush()
        self._sink.bodies.clear()

    def spans(self):
        assert self._mlobs.flush()
        return [
            Seen(
                span.attributes.get("mlobs.name", span.name),
                span.span_id,
                span.parent_id,
                span.trace_id,
                span.attributes.get("mlobs.call.state", "error" if span.status == 2 else "ok"),
                span.attributes.get("error.type", ""),
                span.start_ns,
                span.end_ns,
            )
            for span in self._sink.spans()
        ]


@pytest.fixture(scope="session")
def adapter(request):
    path = os.environ.get("CONFORMANCE_ADAPTER")
    if not path:
        return Mlobs(request.getfixturevalue("telemetry"))
    spec = importlib.util.spec_from_file_location("conformance_adapter", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make(Seen)


class Api:
    """The adapter, with what cases ask of it."""

    def __init__(self, adapter):
        self._adapter = adapter
        self.nouns = adapter.nouns

    def __getattr__(self, noun):
        if noun not in self._adapter.nouns:
            pytest.skip(f"n/a: it has no decorator for {noun}")
        return lambda function: self._adapter.decorate(noun, function)

    def spans(self):
        return self._adapter.spans()

    def one(self, name):
        """Return the only span of that name."""
        found = [span for span in self.spans() if span.name == name]
        assert len(found) == 1, f"{len(found)} spans {name!r}"
        return found[0]

    def many(self, name, count):
        """Return the spans of that name, of which there are to be `count`."""
        found = [span for span in self.spans() if span.name == name]
        assert len(found) == count, f"{len(found)} spans {name!r}, not {count}"
        return found

    def ended(self, span, state):
        """Check how a call ended. Who has no word for being left must at least not call it an error."""
        if state in {"cancelled", "abandoned"} and not self._adapter.states:
            assert span.state == "ok"
        else:
            assert span.state == state


@pytest.fixture
def api(adapter):
    adapter.clear()
    return Api(adapter)


def pytest_generate_tests(metafunc):
    """Run cases that ask for `noun` once per noun of mlobs; what an adapter does not have is n/a."""
    if "noun" in metafunc.fixturenames:
        nouns = "agent workflow step tool llm embedding retrieval plan memory guardrail evaluator predict"
        metafunc.parametrize("noun", nouns.split())
