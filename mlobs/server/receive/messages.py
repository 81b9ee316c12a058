"""The messages of OTLP: one request for each signal.

A body is parsed by the C parser of the OpenTelemetry protobuf package. Python looks at no span.
"""

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.errors import PayloadError

REQUESTS: dict[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
# Of metrics, in the order of their tables.
KINDS = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
NAME_MAX = 200
GZIP_MAGIC = b"\x1f\x8b"


def check(signal: str, body: bytes) -> Message:
    """Return `body` as a message.

    Raises:
        PayloadError: The body is not a message of this signal.
    """
    message = REQUESTS[signal]()
    name = type(message).__name__
    try:
        message.ParseFromString(body)
    except DecodeError:
        raise PayloadError(f"The body ({len(body)} bytes) is not an {name}: {_looks(body)}.") from None
    if body and not message.ListFields():
        raise PayloadError(f"The body ({len(body)} bytes) has no field of an {name}.")
    return message


def _looks(body: bytes) -> str:
    """Return what a body seems to be that does not parse; the parser itself never says."""
    if body[:2] == GZIP_MAGIC:
        return "it seems to be gzip; send Content-Encoding: gzip with it"
    if body.lstrip()[:1] == b"{":
        return "it seems to be JSON; send Content-Type: application/json with it"
    return "it is cut short or damaged, has text that is not UTF-8, or values over 40 deep inside each other"


def items(request: Message, first: int = 0) -> int:
    """Return how many spans, metric points or log records a request has.

    Args:
        request: Of any signal.
        first: The number of the first table whose rows count, in the order of KINDS; of others than metrics
            there is only one.
    """
    if isinstance(request, ExportTraceServiceRequest):
        return sum(len(scope.spans) for one in request.resource_spans for scope in one.scope_spans)
    if isinstance(request, ExportLogsServiceRequest):
        return sum(len(scope.log_records) for one in request.resource_logs for scope in one.scope_logs)
    assert isinstance(request, ExportMetricsServiceRequest)
    return sum(
        len(getattr(metric, kind).data_points)
        for one in request.resource_metrics
        for scope in one.scope_metrics
        for metric in scope.metrics
        if (kind := metric.WhichOneof("data")) in KINDS[first:]
    )


def parses(signal: str, body: bytes) -> bool:
    """Return whether `body` is a message of `signal` that the journal would hold."""
    try:
        return bool(check(signal, body).ListFields())
    except PayloadError:
        return False


def rewritten(signal: str, body: bytes) -> bytes:
    """Return a body without the fields that the protobuf package does not know.

    It skips fields whose wire type is not the one declared; the engine refuses the whole file.
    """
    message = check(signal, body)
    message.DiscardUnknownFields()
    return message.SerializeToString()


def unsupported(request: Message) -> tuple[int, str]:
    """Return how many metrics of `request` have no points of a kind that is known, and a sentence.

    A later version of OTLP may have more kinds than the five that there are tables for.
    """
    if not isinstance(request, ExportMetricsServiceRequest):
        return 0, ""
    metrics, named = 0, ""
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.WhichOneof("data") is None:
                    metrics += 1
                    named = named or repr(metric.name[:NAME_MAX])
    sentence = (
        f"Metrics without points that could be stored: {metrics}, the first is {named}. Gauges, sums, "
        f"histograms, exponential histograms and summaries are known here."
    )
    return metrics, sentence if metrics else ""


def partial(request: Message) -> ExportMetricsServiceResponse | None:
    """Return the answer that says what is not stored; None when everything is.

    How many points are lost is not known, so none are said to be: the sentence is a warning, for
    which the specification has this form.
    """
    metrics, sentence = unsupported(request)
    if not metrics:
        return None
    answer = ExportMetricsServiceResponse()
    answer.partial_success.error_message = sentence
    return answer
