"""The fixture `mlobs_run` for pytest: every decorated call that the test makes.

def test_support(mlobs_run):
support("Where is my money?")
mlobs_run.expect("agent:support > [tool:refund]")
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mlobs.testing.recording import Run


@pytest.fixture
def mlobs_run() -> "Iterator[Run]":
    """Record every decorated call that the test makes."""
    from mlobs.testing.recording import capture  # only tests that ask for it pay for it

    with capture() as run:
        yield run
