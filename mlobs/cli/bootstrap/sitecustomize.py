"""Imported by every Python that starts below `mlobs run`, before the program itself.

Python imports one module of this name; if the environment has another one further down the path,
that one is run first, as if this one were not there.
"""

import os
import sys
from importlib import import_module
from pathlib import Path


def _theirs() -> None:
    """Run the sitecustomize that this one hides."""
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != here]
    ours = sys.modules.pop("sitecustomize")
    try:
        import_module("sitecustomize")
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        sys.modules.setdefault("sitecustomize", ours)


def _ours() -> None:
    """Watch what the program imports."""
    try:
        from mlobs.instrument.starting import watch_program

        watch_program()
    except Exception as error:  # noqa: BLE001 # never into the user's program
        if os.environ.get("MLOBS_RUN") == str(os.getpid()):  # say it for the program, not for what it starts
            print(
                f"mlobs: {sys.executable} cannot import mlobs ({error}), so this program runs without it. "
                f"Install mlobs for that Python, or run the program with the one that has it.",
                file=sys.stderr,
            )


try:
    _theirs()
finally:
    _ours()
