"""The exporters that people use, as they are: what they send arrives."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from mlobs.server.receive.messages import REQUESTS
from tests.server.receiving import Receiving, receiving

ATTRIBUTES = {"text": "ä", "whole": 1 << 60, "real": 0.5, "yes": True, "several": ["a", "b"]}
TOKEN = "sender-token-0123456789"


def over_http(listening: Receiving, compression: str, **given: Any) -> tuple[Any, Any, Any]:
    chosen = {"gzip": Compression.Gzip, "deflate": Compression.Deflate}.get(
        compression, Compression.NoCompression
    )
    kinds = ((HttpSpans, "traces"), (HttpMetrics, "metrics"), (HttpLogs, "logs"))
    spans, metrics, logs = (
        kind(endpoint=f"{listening.url}/v1/{signal}", compression=chosen, **given) for kind, signal in kinds
    )
    return spans, metrics, logs


def over_grpc(listening: Receiving, compression: str, **given: Any) -> tuple[Any, Any, Any]:
    chosen = {"gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}.get(
        compression, grpc.Compression.NoCompression
    )
    spans, metrics, logs = (
        kind(endpoint=listening.grpc_url, insecure=True, compression=chosen, **given)
        for kind in (GrpcSpans, GrpcMetrics, GrpcLogs)
    )
    return spans, metrics, logs


def send(exporters: tuple[Any, Any, Any], name: str) -> None:
    """Send one span, one point and one record, and wait for the answers."""
    spans, metrics, logs = exporters
    tracing = TracerProvider(shutdown_on_exit=False)
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    tracing.get_tracer("tests").start_span(name, attributes=ATTRIBUTES).end()
    tracing.shutdown()
    metering = MeterProvider([PeriodicExportingMetricReader(metrics)], shutdown_on_exit=False)
    metering.get_meter("tests").create_histogram(name).record(1.5, ATTRIBUTES)
    metering.shutdown()
    logging = LoggerProvider(shutdown_on_exit=False)
    logging.add_log_record_processor(SimpleLogRecordProcessor(logs))
    logging.get_logger("tests").emit(body=name, severity_number=SeverityNumber.INFO, attributes=ATTRIBUTES)
    logging.shutdown()


def newest(listening: Receiving, signal: str) -> Any:
    """Return the newest message of a signal."""
    return REQUESTS[signal].FromString(listening.kept(signal)[-1])


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
@pytest.mark.parametrize("exporters", [over_http, over_grpc], ids=["http", "grpc"])
def test_what_pythons_sdk_sends_arrives(
    listening: Receiving, exporters: Callable[..., tuple[Any, Any, Any]], compression: str
) -> None:
    """All three signals, with attributes of all kinds."""
    name = f"{exporters.__name__}.{compression}"
    send(exporters(listening, compression), name)
    span = newest(listening, "traces").resource_spans[0].scope_spans[0].spans[0]
    assert (span.name, len(span.attributes)) == (name, len(ATTRIBUTES))
    metric = newest(listening, "metrics").resource_metrics[0].scope_metrics[0].metrics[0]
    assert (metric.name, metric.histogram.data_points[0].sum) == (name, 1.5)
    record = newest(listening, "logs").resource_logs[0].scope_logs[0].log_records[0]
    assert record.body.string_value == name


@pytest.mark.parametrize("exporters", [over_http, over_grpc], ids=["http", "grpc"])
def test_exporters_bring_their_token_in_their_headers(tmp_path, exporters):
    """As OTEL_EXPORTER_OTLP_HEADERS gives them."""
    tokens = tmp_path / "tokens"
    tokens.write_text(f"ingest {TOKEN}\n")
    tokens.chmod(0o600)
    with receiving(tmp_path, tokens=tokens) as closed:
        send(exporters(closed, "gzip", headers={"authorization": f"Bearer {TOKEN}"}), "with.a.token")
        assert [len(closed.kept(signal)) for signal in REQUESTS] == [1, 1, 1]


PACKAGES = ["api", "resources", "sdk-trace-base"] + [
    f"exporter-trace-otlp-{kind}" for kind in ("http", "proto", "grpc")
]
PROGRAM = """
const { BasicTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { CompressionAlgorithm } = require('@opentelemetry/otlp-exporter-base');
const [kind, url, compression] = process.argv.slice(2);
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-' + kind);
const exporter = new OTLPTraceExporter({ url, compression });
const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
const span = provider.getTracer('tests').startSpan('from node ' + kind, { kind: 2 });
span.setAttributes({ text: 'ä', whole: 9007199254740991, real: 0.5, yes: true, several: ['a', 'b'] });
span.addEvent('event', { k: 'v' });
span.setStatus({ code: 2, message: 'it broke' });
span.end();
provider.shutdown().then(() => console.log(JSON.stringify(span.spanContext())));
"""


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Node's SDK in it."""
    folder = tmp_path_factory.mktemp("node")
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    command = [npm, "install", "--no-audit", "--no-fund", *(f"@opentelemetry/{name}" for name in PACKAGES)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=800)
    if done.returncode:
        pytest.skip(f"npm cannot install the SDK here: {done.stderr[-300:]}")
    (folder / "send.js").write_text(PROGRAM)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("kind", ["http", "proto", "grpc"])
def test_what_nodes_sdk_sends_arrives(listening, node, kind, compression):
    """JSON (which is its kind http), protobuf and gRPC."""
    url = listening.grpc_url if kind == "grpc" else f"{listening.url}/v1/traces"
    done = subprocess.run(
        ["node", "send.js", kind, url, compression],
        cwd=node,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    sent = json.loads(done.stdout.splitlines()[-1])
    span = newest(listening, "traces").resource_spans[0].scope_spans[0].spans[0]
    assert (span.trace_id.hex(), span.span_id.hex()) == (sent["traceId"], sent["spanId"])
    assert (span.name, span.kind, span.status.code) == (f"from node {kind}", 3, 2)
    found = {pair.key: pair.value for pair in span.attributes}
    assert found["whole"].int_value == 9007199254740991
    assert (found["text"].string_value, found["real"].double_value, found["yes"].bool_value) == (
        "ä",
        0.5,
        True,
    )
    assert [one.string_value for one in found["several"].array_value.values] == ["a", "b"]
    assert span.events[0].name == "event"
    assert span.end_time_unix_nano >= span.start_time_unix_nano > 1_600_000_000_000_000_000
