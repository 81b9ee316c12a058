"""The whole story, in a process of its own."""

import re
import subprocess

import pytest

from tests.processes import MLOBS


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demo_tells_the_truth(tmp_path):
    """`--once` checks each claim against server, monitor and webhook; a newcomer sees the rest."""
    done = subprocess.run(
        [*MLOBS, "demo", "--once"], capture_output=True, text=True, cwd=tmp_path, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout
    assert done.stdout.count("✓") >= 12
    for seen in (
        r"invoke_agent flight-desk",
        r"execute_tool gate_of .*HTTPError",
        r"chat gpt-4o-mini answer .*first chunk .* tokens  \$",
        r"temp +yes +\d\d:\d\d:\d\d",
        r'"rule": "MlobsFeatureDrift"',
        r'"trace_url": "http://127.0.0.1:\d+/traces/\w{32}"',
        r"A server listens at http://127.0.0.1:\d+",
    ):
        assert re.search(seen, done.stdout), f"{seen} is not in:\n{done.stdout}"
    assert list(tmp_path.iterdir()) == []
