"""The files that mlobs ships for its collectors, and its commands about them."""

import os
import subprocess
from pathlib import Path

from tests.processes import MLOBS

TOP = Path(__file__).parents[2]
FOLDER = TOP / "collectors"


def collector(*arguments, **variables):
    environment = {name: text for name, text in os.environ.items() if not name.startswith("MLOBS_")}
    return subprocess.run(
        [*MLOBS, "collector", *arguments],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
