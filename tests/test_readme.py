"""The README says what is true: commands, settings, names, and the ten lines to a first trace."""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

import mlobs
from mlobs.cli import parser
from mlobs.settings import SETTINGS, variable
from tests.processes import server

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SETTING_ROWS = [(kind, field) for kind in SETTINGS for field in kind.model_fields]


def commands(top: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return every command there is, as words."""
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            below = action.choices.items()
            return [found for name, inner in below for found in commands(inner, (*words, name))]
    return [words]


@pytest.mark.parametrize("words", commands(parser()), ids=" ".join)
def test_every_command_is_in_the_readme(words):
    """A command nobody can find does not exist."""
    [row] = [line for line in README.splitlines() if line.startswith(f"| `mlobs {words[0]}")]
    assert all(re.search(rf"\b{word}\b", row) for word in words)


@pytest.mark.parametrize("words", commands(parser()), ids=" ".join)
def test_every_command_explains_itself(words, capsys):
    """With a sentence, and without loading what only some installs have."""
    with pytest.raises(SystemExit) as end:
        parser().parse_args([*words, "--help"])
    assert end.value.code == 0
    assert re.search(r"\n[A-Z][^\n]+", capsys.readouterr().out)


def test_every_option_explains_itself():
    """In words, before its default; and every noun has a sentence."""
    silent, seen = [], [parser()]
    for one in seen:
        silent += [] if one.description else [one.prog]
        for action in one._actions:
            if isinstance(action, argparse._SubParsersAction):
                seen += action.choices.values()
            elif action.help != argparse.SUPPRESS and not re.match(r"\w", action.help or ""):
                silent.append(f"{one.prog} {'/'.join(action.option_strings) or action.dest}")
    assert silent == []


@pytest.mark.parametrize(("kind", "field"), SETTING_ROWS, ids=lambda part: getattr(part, "__name__", part))
def test_every_setting_is_in_the_readme_with_its_default(kind, field):
    """The table is read more often than the code."""
    default = kind.model_fields[field].get_default(call_default_factory=True)
    shown = "" if default in {None, ""} or isinstance(default, SecretStr) else f"`{default}`"
    assert f"| `{variable(kind, field)}` | {shown} | {kind.model_fields[field].description} |" in README


@pytest.mark.parametrize("name", mlobs.__all__)
def test_every_public_name_is_in_the_readme(name):
    """What is not in the README is not public."""
    assert re.search(rf"`(mlobs\.)?{name}\b", README)


def test_the_tests_run_with_the_readmes_second_command():
    """The check that runs by itself takes the command from here."""
    script = (ROOT / ".ci" / "run").read_text()
    pattern = re.search(r"sed -n 's/(.*)/\\1/p' README.md", script)
    assert pattern is not None
    lines = re.findall(r"^python3 -m venv .*pytest.*$", README, flags=re.MULTILINE)
    assert len(lines) == 1


@pytest.mark.slow
def test_the_first_trace_is_as_the_readme_shows_it(tmp_path):
    """Ten lines, pasted by everybody."""
    [code] = re.findall(r"## A first trace\n.*?```python\n(.*?)```", README, flags=re.DOTALL)
    [expected] = re.findall(r"traces show latest\ntrace \w+\n(.*?)```", README, flags=re.DOTALL)
    with server(tmp_path) as url:
        environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": url, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=150)
        drawn: list[str] = []
        until = time.monotonic() + 150
        # A program that is slow sends its spans in two parts, of which the first may be there alone.
        while drawn != without_times(expected) and time.monotonic() < until:
            done = subprocess.run(
                [sys.executable, "-m", "mlobs", "traces", "show", "latest", "--server", url],
                env=environment,
                capture_output=True,
                text=True,
                timeout=150,
            )
            drawn = without_times(done.stdout)[1:]
    assert drawn == without_times(expected)


def without_times(shown: str) -> list[str]:
    return [re.sub(r"[\d.]+ [mµ]s", "N", line) for line in shown.splitlines()]
