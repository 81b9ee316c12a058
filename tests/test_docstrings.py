"""The examples in the docstrings are what people read first."""

import doctest
from importlib import import_module
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "mlobs"


def test_the_examples_in_the_docstrings_run():
    """A number in a docstring that the code does not print is worse than none."""
    shown = [path for path in PACKAGE.rglob("*.py") if ">>> " in path.read_text()]
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in shown]
    assert len(names) > 90
    failed = {name: doctest.testmod(import_module(name)).failed for name in names}
    assert {name: examples for name, examples in failed.items() if examples} == {}
