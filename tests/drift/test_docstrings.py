"""The examples in the docstrings are what people read first."""

import doctest
import pkgutil
from importlib import import_module

import pytest

from mlobs import drift


@pytest.mark.parametrize("name", [one.name for one in pkgutil.walk_packages(drift.__path__, "mlobs.drift.")])
def test_the_examples_in_the_docstrings_run(name):
    """A number in a docstring that the code does not print is worse than none."""
    assert doctest.testmod(import_module(name)).failed == 0
