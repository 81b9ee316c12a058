"""Runs the suite of tests/conformance against mlobs and against others, and prints one table.

    python -m benchmarks.conformance [--peer by_hand] [--peer openinference] [--peer traceloop] [--json]

mlobs runs in this environment. Each peer runs in one of its own, which is made in the user's cache
the first time: their requirements exclude each other. A case that asks for something a peer does
not have, such as a decorator for memory, is not counted for it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

from benchmarks.measuring import show

ROOT = Path(__file__).parent.parent
SUITE = ROOT / "tests" / "conformance"
ADAPTERS = Path(__file__).parent / "adapters"
COMMON = ("pytest>=9", "fastapi", "httpx", "uvicorn", "setuptools<81")
PEERS = {
    "by_hand": ("OpenTelemetry by hand", ("opentelemetry-sdk==1.45.1",)),
    "openinference": ("OpenInference", ("openinference-instrumentation==0.1.72", "opentelemetry-sdk")),
    "traceloop": (
        "OpenLLMetry",
        ("traceloop-sdk==0.62.4", "opentelemetry-sdk==1.44.0", "opentelemetry-instrumentation==0.65b0"),
    ),
}
GROUPS = {
    "test_calls": "each noun, kind and end of a call",
    "test_streams": "streams",
    "test_contexts": "threads, tasks, frameworks",
    "test_identity": "the function stays what it was",
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer", action="append", choices=PEERS, help="default: all of them")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    found = {"mlobs": results(sys.executable, SUITE, None)}
    for peer in given.peer or PEERS:
        name, packages = PEERS[peer]
        with tempfile.TemporaryDirectory() as folder:  # away from the files that configure our own tests
            suite = shutil.copytree(SUITE, Path(folder) / "conformance")
            found[name] = results(environment(peer, packages), suite, ADAPTERS / f"{peer}.py")
    rows = [
        {"cases": about, **{who: cell(result, group) for who, result in found.items()}}
        for group, about in [*GROUPS.items(), ("", "all")]
    ]
    show("Cases passed, of those that apply", rows, as_json=given.json)


def cell(result: Counter[tuple[str, bool]], group: str) -> str:
    """Return passed and counted cases of a group, or of all."""
    passed = sum(count for (name, good), count in result.items() if good and name.startswith(group))
    failed = sum(count for (name, good), count in result.items() if not good and name.startswith(group))
    return f"{passed}/{passed + failed}"


def results(python: str, suite: Path, adapter: Path | None) -> Counter[tuple[str, bool]]:
    """Run the suite; return how many cases of each file passed and failed. Skipped ones do not apply."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        variables = {"CONFORMANCE_ADAPTER": str(adapter)} if adapter else {}
        subprocess.run(
            [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}",
             "-W", "ignore", "-o", "markers=slow: long", "-m", "not slow", str(suite)],
            env={**os.environ, **variables},
            cwd=suite.parent if adapter else ROOT,
            stdout=subprocess.DEVNULL,
            check=False,
        )  # fmt: skip
        counted: Counter[tuple[str, bool]] = Counter()
        for case in ET.parse(report).iter("testcase"):
            if case.find("skipped") is None:
                good = case.find("failure") is None and case.find("error") is None
                counted[case.get("classname", "").rpartition(".")[2], good] += 1
        return counted


def environment(peer: str, packages: tuple[str, ...]) -> str:
    """Return the Python of an environment with `packages`, made if it is not there yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "mlobs-conformance" / peer
    python = folder / "bin" / "python"
    done = folder / "installed"
    wanted = "\n".join((*COMMON, *packages))
    if not done.exists() or done.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *COMMON, *packages], check=True)
        done.write_text(wanted)
    return str(python)


if __name__ == "__main__":
    main()
