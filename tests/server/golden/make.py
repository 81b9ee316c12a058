"""Makes the golden spans: runs the real packages against a model on loopback and keeps what they send.

    python -m tests.server.golden.make [NAME…]

Each program in `programs` runs in a virtual environment of its own (some packages have the same
name for different things), made with uv under the folder that MLOBS_GOLDEN_ENVIRONMENTS names.
Times, ids and addresses are replaced, so that a new run changes only what a package changed.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.server.golden.model import Model

HERE = Path(__file__).parent
EXPORT = "opentelemetry-exporter-otlp-proto-http"
# The packages of each program, as they were when the spans were made.
PACKAGES: dict[str, tuple[str, ...]] = {
    "genai_openai": ("opentelemetry-instrumentation-genai-openai==1.3b0", "openai==3.57.0"),
    "older_openai": (
        "opentelemetry-instrumentation-openai-v2==2.4b0",
        "opentelemetry-util-genai==0.4b0",
        "openai==3.57.0",
        "httpx",
    ),
    "openinference_openai": ("openinference-instrumentation-openai==0.1.66", "openai==3.57.0"),
    "openinference_anthropic": ("openinference-instrumentation-anthropic==3.1.0", "anthropic==2.14.0"),
    "openinference_langchain": (
        "openinference-instrumentation-langchain==0.1.80",
        "langchain==1.5.2",
        "langchain-openai==1.7.4",
    ),
    "traceloop_openai": (
        "opentelemetry-instrumentation-openai==0.62.4",
        "traceloop-sdk==0.62.4",
        "httpx",
        "openai==3.57.0",
    ),
    "traceloop_anthropic": ("opentelemetry-instrumentation-anthropic==0.62.4", "anthropic==2.14.0"),
    "langfuse_sdk": ("langfuse==5.0.4", "openai==3.57.0"),
    "langfuse_anthropic": ("langfuse==5.0.4",),
    "mlflow_openai": ("mlflow-tracing==3.17.2", "openai==3.57.0"),
    "mlflow_anthropic": ("mlflow-tracing==3.17.2", "anthropic==2.14.0"),
    "langsmith_openai": ("langsmith[otel]==0.15.1", "openai==3.57.0"),
    "pydantic_ai_agent": ("pydantic-ai-slim[openai]==2.68.0",),
    "logfire_openai": ("logfire==5.4.0", "openai==3.57.0"),
    "vercel_ai": (
        "ai@5.0.277",
        "@ai-sdk/openai@2",
        "zod",
        "@opentelemetry/sdk-trace-node",
        "@opentelemetry/exporter-trace-otlp-http",
        "@opentelemetry/resources",
    ),
}

START_NS = 1_790_000_000 * 10**9  # Of every span; each takes a second.
# Ends of the keys of attributes that tell of the machine.
OF_THE_RUN = ("code.filepath", "code.lineno", "revision_id", "LANGSMITH_ENDPOINT", "mlflow.traceRequestId")


def main(names: list[str]) -> None:
    """Make the spans of `names`, or of all programs."""
    root = Path(os.environ.get("MLOBS_GOLDEN_ENVIRONMENTS", tempfile.gettempdir())) / "golden"
    for name in names or list(PACKAGES):
        with Model() as model:
            _run(name, root / name, model.url)
            requests = [_request(kind, body) for kind, body in model.bodies]
        kept = _tidied(requests, model.url)
        # A line for each span.
        text = json.dumps(kept, separators=(",", ":"), sort_keys=True).replace(
            '{"attributes"', '\n{"attributes"'
        )
        (HERE / f"{name}.json").write_text(text + "\n")
        count = sum(len(scope["spans"]) for item in kept["resourceSpans"] for scope in item["scopeSpans"])
        print(f"{name}: {count} spans")


def _run(name: str, folder: Path, url: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    variables = {
        **{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
        "MODEL_URL": url,
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": f"{url}/v1",
        "ANTHROPIC_API_KEY": "none",
        "ANTHROPIC_BASE_URL": url,
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{url}/v1/traces",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": "golden",
    }
    if name.startswith("vercel"):
        program = folder / "program.mjs"
        if not (folder / "node_modules").exists():
            subprocess.run(["npm", "install", "--silent", "--prefix", folder, *PACKAGES[name]], check=True)
        program.write_text((HERE / "programs" / f"{name}.mjs").read_text())
        command = ["node", str(program)]
    else:
        python = folder / "bin" / "python"
        if not python.exists():
            uv = Path(sys.executable).parent / "uv"
            subprocess.run([uv, "venv", "-q", folder], check=True)
            subprocess.run([uv, "pip", "install", "-q", "-p", python, EXPORT, *PACKAGES[name]], check=True)
        command = [str(python), str(HERE / "programs" / f"{name}.py")]
    subprocess.run(command, env=variables, cwd=folder, check=True, timeout=120)


def _request(kind: str, body: bytes) -> dict[str, Any]:
    if "json" in kind:
        found: dict[str, Any] = json.loads(body)
        return found
    return MessageToDict(ExportTraceServiceRequest.FromString(body), use_integers_for_enums=True)


def _tidied(requests: list[dict[str, Any]], url: str) -> dict[str, Any]:
    """Return one request with a scope for each name, and no times, ids and addresses of a run."""
    scopes: dict[str, list[dict[str, Any]]] = {}
    port = url.rpartition(":")[2]
    for request in requests:
        for item in request["resourceSpans"]:
            for scope in item["scopeSpans"]:
                scopes.setdefault(scope.get("scope", {}).get("name", ""), []).extend(scope["spans"])
    # Some send several at a time, which arrive in any order.
    for found in scopes.values():
        found.sort(
            key=lambda span: (int(span["startTimeUnixNano"]), -int(span["endTimeUnixNano"]), span["name"])
        )
    spans = [span for found in scopes.values() for span in found]
    ids = {span["spanId"]: f"{number:016x}" for number, span in enumerate(spans, 1)}
    traces = {span["traceId"]: None for span in spans}
    numbers = {trace: f"{number:032x}" for number, trace in enumerate(traces, 1)}
    for span in spans:
        parent = ids.get(span.pop("parentSpanId", ""), "")
        span.update(traceId=numbers[span["traceId"]], spanId=ids[span["spanId"]], parentSpanId=parent)
        span.update(startTimeUnixNano=f"{START_NS}", endTimeUnixNano=f"{START_NS + 10**9}")
        span["attributes"] = [pair for pair in span["attributes"] if not pair["key"].endswith(OF_THE_RUN)]
        for key in ("flags", "droppedAttributesCount", "droppedEventsCount", "droppedLinksCount", "links"):
            span.pop(key, None)
        for event in span.get("events", []):
            event["timeUnixNano"] = span["endTimeUnixNano"]
            event["attributes"] = [
                pair for pair in event.get("attributes", []) if pair["key"] != "exception.stacktrace"
            ]
            for pair in event["attributes"]:
                text = pair["value"].get("stringValue", "")
                pair["value"] = {**pair["value"], "stringValue": text.partition("\n\nTraceback")[0]}
    found = [{"scope": {"name": name}, "spans": spans} for name, spans in scopes.items()]
    service = {"key": "service.name", "value": {"stringValue": "golden"}}
    kept = {"resourceSpans": [{"resource": {"attributes": [service]}, "scopeSpans": found}]}
    text = json.dumps(kept).replace(url, "http://localhost:80").replace("127.0.0.1", "localhost")
    text = re.sub(
        r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "00000000-0000-0000-0000-000000000001", text
    )
    tidied: dict[str, Any] = json.loads(re.sub(rf"\b{port}\b", "80", text))
    return tidied


if __name__ == "__main__":
    main(sys.argv[1:])
