"""Which instrumentation is used: exactly one per library, by where its class lives."""

import itertools
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.errors import SettingError
from mlobs.instrument import activation
from mlobs.instrument.libraries import Candidate, Choice, choose

OFFICIAL = "opentelemetry.instrumentation.genai."
OPENLLMETRY = "opentelemetry.instrumentation."
OPENINFERENCE = "openinference.instrumentation."


def candidate(name: str, module: str) -> Candidate:
    return Candidate(name, module, "Instrumentor", f"package-of-{module}", "1.0")


def chosen(*candidates: Candidate) -> dict[str, list[str]]:
    return {one.library: [use.module for use in one.usable] for one in choose(candidates, lambda _: None)}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_three_distributions_of_one_name_give_one_winner(order: tuple[int, ...]):
    """All three register `openai`; loading all, as opentelemetry-instrument does, gives three spans."""
    three = [candidate("openai", prefix + "openai") for prefix in (OFFICIAL, OPENLLMETRY, OPENINFERENCE)]
    assert chosen(*(three[i] for i in order)) == {"openai": [one.module for one in three]}


@pytest.mark.parametrize(
    ("library", "candidates"),
    [
        (
            "bedrock",
            [
                candidate("bedrock", "opentelemetry.instrumentation.genai.bedrock"),
                candidate("boto3", "opentelemetry.instrumentation.bedrock"),
                candidate("bedrock", "openinference.instrumentation.bedrock"),
            ],
        ),
        (
            "llama_index",
            [
                candidate("llama_index", "opentelemetry.instrumentation.genai.llama_index"),
                candidate("llama-index", "opentelemetry.instrumentation.llamaindex"),
                candidate("llama_index", "openinference.instrumentation.llama_index"),
            ],
        ),
        (
            "google_genai",
            [
                candidate("google-genai", "opentelemetry.instrumentation.google_genai"),
                candidate("google_generativeai", "opentelemetry.instrumentation.google_generativeai"),
                candidate("google_genai", "openinference.instrumentation.google_genai"),
            ],
        ),
        (
            "openai",
            [
                candidate("openai", "opentelemetry.instrumentation.genai.openai"),
                candidate("openai", "opentelemetry.instrumentation.openai_v2"),
                candidate("openai", "opentelemetry.instrumentation.openai"),
            ],
        ),
    ],
)
def test_one_library_under_several_names_is_one_library(library: str, candidates: list[Candidate]):
    assert chosen(*reversed(candidates)) == {library: [one.module for one in candidates]}


def test_instrumentations_of_anything_else_are_left_to_the_program():
    """OpenLLMetry shares its prefix with all web frameworks; switching those on is not ours to do."""
    others = [candidate(name, OPENLLMETRY + name) for name in ("fastapi", "requests", "boto3sqs")]
    assert chosen(*others, candidate("x", "company.instrumentation.openai")) == {}


def test_a_package_that_does_not_fit_gives_way_to_the_next():
    """The official one may not know the client's newest version; another family's may."""
    official = candidate("google-genai", "opentelemetry.instrumentation.google_genai")
    other = candidate("google_genai", OPENINFERENCE + "google_genai")
    reason = "it needs google-genai<3, and google-genai 3.6.1 is installed"
    [choice] = choose([official, other], lambda one: reason if one is official else None)
    assert choice == Choice("google_genai", (other,), ((official, reason),))


def test_a_library_that_makes_spans_itself_needs_no_package():
    theirs = candidate("mcp", "opentelemetry.instrumentation.mcp")
    [choice] = choose([theirs], lambda _: None, native=["mcp"])
    assert choice.usable == ()
    assert choice.refused == ((theirs, "mcp makes spans itself"),)


def test_a_distribution_that_is_found_twice_counts_once():
    """A checkout installed in place is listed by two finders."""
    one = candidate("openai", OFFICIAL + "openai")
    assert chosen(one, one) == {"openai": [one.module]}


@given(
    st.lists(
        st.tuples(
            st.sampled_from([OFFICIAL, OPENLLMETRY, OPENINFERENCE, "elsewhere.", ""]),
            st.sampled_from(["openai", "langchain", "llamaindex", "llama_index", "flask", "", "a.b"]),
        )
    )
)
def test_every_candidate_is_used_or_refused_exactly_once(parts: list[tuple[str, str]]):
    """Whatever is installed: nothing is lost, nothing is doubled, and no library is chosen twice."""
    candidates = {prefix + tail: candidate("n", prefix + tail) for prefix, tail in parts}
    choices = choose(candidates.values(), lambda one: "odd" if "lang" in one.module else None)
    assert len({choice.library for choice in choices}) == len(choices)
    told = [one for choice in choices for one in (*choice.usable, *(c for c, _ in choice.refused))]
    assert len(told) == len(set(told))
    assert set(told) <= set(candidates.values())
    assert not any(one.module == OPENLLMETRY + "flask" for one in told)


def test_disabling_by_the_standard_variable_names_points_libraries_or_packages(monkeypatch):
    """The variable takes the names of entry points, which three packages share; packages tell them apart."""
    one = candidate("boto3", "opentelemetry.instrumentation.bedrock")
    for value in ("boto3", "flask, bedrock", one.package, "*"):
        monkeypatch.setenv(activation.DISABLED, value)
        assert activation._problem(one) == f"{activation.DISABLED} names it"


def test_a_policy_that_is_not_one_is_refused():
    with pytest.raises(SettingError, match="one of 'off', 'redacted', 'full' was expected"):
        activation.activate(content="some")  # type: ignore[arg-type] # the mistake under test


@pytest.mark.parametrize("full", [False, True])
def test_the_policy_reaches_all_three_families(full: bool):
    """Two of three record prompts unless told otherwise, also where the user had set the opposite."""
    environment = {"TRACELOOP_TRACE_CONTENT": "true", "OPENINFERENCE_HIDE_INPUTS": "false"}
    activation._apply_policy(environment, full=full)
    assert environment["TRACELOOP_TRACE_CONTENT"] == ("true" if full else "false")
    assert environment["OPENINFERENCE_HIDE_INPUTS"] == ("false" if full else "true")
    capture = environment["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"]
    assert capture == ("SPAN_ONLY" if full else "NO_CONTENT")


WATCHING = """
import sys
sys.path.insert(0, {folder!r})
from mlobs.instrument.arrivals import when_imported
seen = []
here = {{"outer", "outer.deep", "inner"}}
when_imported(["outer", "inner"], lambda: seen.append(sorted(here & set(sys.modules))))
when_imported(["never"], lambda: seen.append("never"))
when_imported(["broken"], lambda: seen.append("broken"))
when_imported(["raises"], lambda: 1 / 0)
import inner
assert seen == [], seen
import importlib.util
assert importlib.util.find_spec("outer").loader.get_source("outer")
import outer.deep
import outer
assert seen == [["inner", "outer", "outer.deep"]], seen
assert type(outer.__loader__).__name__ == type(outer.__spec__.loader).__name__ == "SourceFileLoader"
try:
    import broken
except ImportError:
    pass
import raises
assert len(seen) == 1, seen
when_imported(["outer"], lambda: seen.append("at once"))
assert seen[-1] == "at once"
"""


def test_a_library_is_reported_once_and_only_when_its_import_has_ended(tmp_path):
    """Halfway through an import, the library cannot be instrumented: half its modules do not exist yet."""
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "__init__.py").write_text("import inner\nfrom outer import deep\n")
    (tmp_path / "outer" / "deep.py").write_text("")
    (tmp_path / "inner.py").write_text("")
    (tmp_path / "broken.py").write_text("import missing_package_xyz\n")
    (tmp_path / "raises.py").write_text("")
    program = tmp_path / "program.py"
    program.write_text(WATCHING.format(folder=str(tmp_path)))
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "mlobs failed while switching on an instrumentation" in done.stderr
