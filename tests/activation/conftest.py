"""Programs of their own, a sink for what they send, and a provider for them to call."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import sink as sinks
from tests.activation import provider

ROOT = Path(__file__).parents[2]

# What each program begins with: mlobs as the only one who exports, or as a guest of a provider that is there.
PREAMBLE = """
import os, sys, warnings
import mlobs
from mlobs.instrument.activation import activate

PROVIDER = os.environ["PROVIDER"]
if os.environ["MODE"] == "foreign":
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    foreign = TracerProvider()
    foreign.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(foreign)
mlobs.init("app")
report = activate(content=os.environ.get("CONTENT", "off"))
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def provider_url() -> str:
    """The address of a provider."""
    return provider.start()


@pytest.fixture
def sink() -> Iterator[sinks.Sink]:
    """A sink of the test's own."""
    return sinks.start()


def environment(sink: sinks.Sink, provider_url: str, **more: str) -> dict[str, str]:
    """Return the variables of a program that sends to the sink and calls the provider."""
    clean = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("OTEL_", "MLOBS_", "OPENINFERENCE_", "TRACELOOP_"))
    }
    return {
        **clean,
        "PYTHONPATH": str(ROOT),
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "PROVIDER": provider_url,
        "OPENAI_BASE_URL": f"{provider_url}/v1",
        "OPENAI_API_KEY": "key",
        "ANTHROPIC_BASE_URL": provider_url,
        "ANTHROPIC_API_KEY": "key",
        "GOOGLE_GEMINI_BASE_URL": provider_url,
        "GEMINI_API_KEY": "key",
        "OPENAI_AGENTS_DISABLE_TRACING": "0",
        "LANGSMITH_TRACING": "false",
        **more,
    }


@pytest.fixture
def run(tmp_path: Path, sink: sinks.Sink, provider_url: str) -> Run:
    """Run a program that starts with the preamble; it must end well."""

    def run(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
        program = tmp_path / "program.py"
        program.write_text(PREAMBLE + code)
        done = subprocess.run(
            [sys.executable, str(program)],
            env=environment(sink, provider_url, **{"MODE": "own", **variables}),
            capture_output=True,
            text=True,
            timeout=350,
        )
        assert done.returncode == 0, done.stderr
        assert "mlobs failed" not in done.stderr, done.stderr
        return done

    return run
