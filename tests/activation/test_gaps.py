"""A library whose model calls nothing records is told of, with what would record them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlobs.instrument.gaps import PACKAGES
from mlobs.instrument.libraries import IMPORTS, KNOWN, OFFICIAL, Candidate
from tests.activation.conftest import environment
from tests.sink import Sink

# As if no instrumentation of these libraries were installed, or only one that is of no use.
PROGRAM = """
import os, sys
import mlobs.instrument.activation as activation

found, hidden = activation._found, os.environ["HIDDEN"].split(",")
activation._found = lambda: [one for one in found() if one.library not in hidden]
if "REFUSED" in os.environ:
    problem = activation._problem
    activation._problem = lambda one: "it is too old" if one.library == "openai" else problem(one)
import mlobs

mlobs.init("app", auto=True)
__import__(os.environ["IMPORTED"])
"""
Says = Callable[..., str]


@pytest.fixture
def says(tmp_path: Path, sink: Sink, provider_url: str) -> Says:
    """Return what a program says whose instrumentations of some libraries are hidden."""

    def says(imported: str, hidden: str, **variables: str) -> str:
        program = tmp_path / "program.py"
        program.write_text(PROGRAM)
        done = subprocess.run(
            [sys.executable, str(program)],
            env=environment(sink, provider_url, IMPORTED=imported, HIDDEN=hidden, **variables),
            capture_output=True,
            text=True,
            timeout=350,
        )
        assert done.returncode == 0, done.stderr
        return "".join(line for line in done.stderr.splitlines(keepends=True) if "is imported" in line)

    return says


def line(name: str, library: str) -> str:
    return f"{name} is imported, and nothing instruments it: pip install {PACKAGES[library]}\n"


@pytest.mark.slow
def test_an_imported_library_that_nothing_instruments_is_told_of_once(says: Says):
    assert says("openai", "openai") == line("openai", "openai")
    assert says("openai", "") == ""
    assert says("json", "openai") == ""


@pytest.mark.slow
def test_who_wants_it_so_is_told_nothing(says: Says):
    assert says("openai", "openai", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="openai") == ""


@pytest.mark.slow
def test_a_framework_records_the_calls_that_go_through_it(says: Says):
    """It imports the provider's library before anything of its own; one line tells of both."""
    assert says("langchain_openai", "openai") == ""
    assert says("langchain_openai", "openai,langchain") == line("langchain_core", "langchain")


@pytest.mark.slow
def test_an_instrumentation_that_does_not_fit_is_named_with_the_reason(says: Says):
    said = says("openai", "", REFUSED="1")
    assert said.startswith(
        "openai is imported, and nothing instruments it: of opentelemetry-instrumentation-"
    )
    assert said.endswith(", it is too old.\n")


@pytest.mark.parametrize(("library", "package"), PACKAGES.items())
def test_what_is_to_be_installed_is_taken_for_an_instrumentation_of_it(library: str, package: str):
    """Else somebody installs it and is told the same again."""
    assert library in KNOWN or library in IMPORTS
    module = package.replace("-", "_").replace("_instrumentation_", ".instrumentation.", 1)
    module = module.replace(".genai_", ".genai.")
    assert module.startswith((OFFICIAL.prefix, "opentelemetry.", "openinference."))
    assert Candidate("any", module, "Any", package).library == library
