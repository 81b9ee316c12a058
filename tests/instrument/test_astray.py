"""What is told in the wrong place or form is answered in one sentence, once."""

import functools
import logging

import pytest

import mlobs
from mlobs import _guard
from mlobs.errors import SettingError
from mlobs.instrument import astray


@pytest.mark.parametrize(
    ("name", "tell"),
    [
        ("usage", lambda: mlobs.usage({"prompt_tokens": 1})),
        ("set", lambda: mlobs.set({"a": 1})),
        ("note", lambda: mlobs.note("x")),
        ("handoff", lambda: mlobs.handoff("sales")),
    ],
)
def test_what_is_told_outside_any_call_is_said_to_be_lost_once(sink, caplog, monkeypatch, name, tell):
    """As a score that belongs to nothing is."""
    monkeypatch.setattr(astray, "_told", set())
    with caplog.at_level(logging.WARNING, "mlobs"):
        tell()
        tell()
        with mlobs.span("part"):
            tell()
    [said] = [record.getMessage() for record in caplog.records]
    assert said.startswith(
        f"mlobs.{name}() was called outside any call, so nothing is recorded of it. Call it"
    )


def test_a_library_may_tell_where_nobody_has_switched_anything_on(run_program):
    """Its users did not ask for it."""
    done = run_program("import mlobs\nmlobs.usage({'prompt_tokens': 1})\nmlobs.set({'a': 1})\n")
    assert (done.returncode, done.stderr) == (0, "")


def test_attributes_that_are_no_dict_are_one_sentence(sink, caplog, monkeypatch):
    """A traceback through mlobs says nothing about the program."""
    monkeypatch.setattr(_guard, "failures", {})

    @mlobs.tool
    def work():
        mlobs.set(5)
        with mlobs.session("s", tags="gold"):
            return 1

    with caplog.at_level(logging.WARNING, "mlobs"):
        assert work() == 1
    wanted = "A dict was wanted, such as {'team': 'search'}, and a value of type %s came."
    assert [record.exc_info for record in caplog.records] == [None, None]
    assert wanted % "int" in caplog.records[0].getMessage()
    assert wanted % "str" in caplog.records[1].getMessage()


@pytest.mark.parametrize("kind", [property, functools.cached_property])
def test_a_property_is_decorated_inside(kind):
    """A decorator's order is the whole of the mistake."""
    with pytest.raises(SettingError, match=f"Write @{kind.__name__} above @mlobs.tool, not below"):
        mlobs.tool(kind(lambda self: 1))


@pytest.mark.slow
def test_an_endpoint_that_spans_do_not_go_to_is_a_warning(run_program):
    """Nothing would arrive, and nothing would say why."""
    done = run_program(
        "from opentelemetry import trace\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "trace.set_tracer_provider(TracerProvider())\n"
        "import mlobs\n"
        "mlobs.init('x', endpoint='http://127.0.0.1:9')\n",
        OTEL_METRICS_EXPORTER="none",
    )
    assert (
        "spans go where it sends them, and not to endpoint='http://127.0.0.1:9'. Call mlobs.init before"
        in (done.stderr)
    )


def test_another_init_says_how_to_change_it(sink):
    """In a notebook, a cell that is run again with another endpoint."""
    with pytest.raises(SettingError, match=r"start the process anew; in a notebook, restart the kernel\."):
        mlobs.init("another")
