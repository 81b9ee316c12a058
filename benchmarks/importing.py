"""CPU seconds that `import mlobs` costs a fresh process, beside the OpenTelemetry SDK with its exporter.

Two lines are ours: the door alone, and the door with a decorator used, which is what a service does.
"""

import resource
import statistics
import subprocess
import sys

from benchmarks.measuring import options, show

WAYS = {
    "import mlobs": "import mlobs",
    "import mlobs; mlobs.tool": "import mlobs; mlobs.tool",
    "OpenTelemetry SDK + OTLP/HTTP": (
        "import opentelemetry.sdk.trace.export, opentelemetry.exporter.otlp.proto.http.trace_exporter"
    ),
}


def main() -> None:
    """Print the table."""
    given = options(__doc__ or "", rounds=9)
    bare: list[float] = []
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(given.rounds):
        bare.append(cpu_seconds("pass"))
        for name, code in WAYS.items():
            found[name].append(cpu_seconds(code))
    floor = statistics.median(bare)
    peer = statistics.median(found["OpenTelemetry SDK + OTLP/HTTP"]) - floor
    rows: list[dict[str, object]] = []
    for name, times in found.items():
        ours = statistics.median(times) - floor
        rows.append({"import": name, "ms": ours * 1e3, "ratio": ours / peer})
    show("CPU of an import in a fresh process, less bare Python", rows, as_json=given.json)


def cpu_seconds(code: str) -> float:
    """Return the CPU seconds of a process that runs `code`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
