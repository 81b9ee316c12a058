"""`mlobs collector keys`: which settings the collector's components take, read from their sources with Go.

What it writes, collectors/keys.json, is what `mlobs collector validate` knows of them where no
collector is at hand.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from mlobs import assets
from mlobs.cli.collector.binary import build_tags, generate
from mlobs.cli.printing import console
from mlobs.cli.verbs import add_verb
from mlobs.errors import ServerError, SettingError

FILE, PROGRAM = "keys.json", "keys.go"


def register(verbs: Any) -> None:
    """Add `keys` to the verbs of `collector`."""
    about = "Write which settings the collector's components take, from their sources; needs Go."
    add_verb(verbs, "keys", _keys, about)


@cache
def known() -> dict[str, dict[str, Any]]:
    """Return the settings of each component, by section and name, as collectors/keys.go says them."""
    text = (assets.root() / "collectors" / FILE).read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found


def of_sources() -> str:
    """Return the text of keys.json, from the sources of the components that builder.yaml names.

    Raises:
        SettingError: Go is missing.
        ServerError: The builder or the program failed.
    """
    with tempfile.TemporaryDirectory(prefix="mlobs-keys-") as folder:
        sources = generate(Path(folder))
        for main in sources.glob("main*.go"):
            main.unlink()
        program = (assets.root() / "collectors" / PROGRAM).read_text(encoding="utf-8")
        (sources / "main.go").write_text(program.replace("//go:build ignore\n", "", 1), encoding="utf-8")
        # With the flags of the builder, so that what it has compiled before is taken from Go's cache.
        command = [
            shutil.which("go") or "go",
            "run",
            "-trimpath",
            f"-tags={build_tags()}",
            "-ldflags=-s -w",
            ".",
        ]
        with console(stderr=True).status("compiling the components"):
            done = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)
    if done.returncode:
        told = "\n".join(done.stderr.splitlines()[-12:])
        raise ServerError(f"{PROGRAM} could not be run beside the components. Go said:\n{told}")
    return _text(json.loads(done.stdout))


def _text(found: dict[str, dict[str, Any]]) -> str:
    """A component a line, so that a new release shows which of them changed."""
    sections = []
    for section, components in sorted(found.items()):
        lines = [
            f'  "{name}": {json.dumps(keys, sort_keys=True)}' for name, keys in sorted(components.items())
        ]
        sections.append(f' "{section}": {{\n' + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(sections) + "\n}\n"


def write(text: str, file: Path) -> None:
    """Put a text in the place of a file, whole or not at all.

    Raises:
        SettingError: The folder cannot be written, as that of an installed package often cannot.
    """
    made = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        made.write_text(text, encoding="utf-8")
        made.replace(file)
    except OSError as error:
        made.unlink(missing_ok=True)
        raise SettingError(
            f"{file} cannot be written: {error.strerror}. Run this in a checkout of mlobs whose files are "
            f"yours."
        ) from None


def _keys(arguments: argparse.Namespace) -> int:
    file = Path(str(assets.root() / "collectors" / FILE))
    write(of_sources(), file)
    print(file)
    return 0
