"""The whole suite once more, with mlobs in a TracerProvider of the program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif("CONFORMANCE_ADAPTER" in os.environ, reason="n/a: the suite runs against another adapter")
def test_everything_holds_in_a_provider_of_the_program():
    """Two ways to keep a call, one behaviour."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", str(HERE)],
        env={**os.environ, "CONFORMANCE_ADAPTER": str(HERE / "foreign.py")},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=850,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "passed" in done.stdout
