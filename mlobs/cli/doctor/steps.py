"""The steps from a program's settings to the tables: the one reason why nothing arrives.

`examine` goes the way of a span from this program's settings to the server's tables, and stops at the first
step that fails; what follows could only fail for the same reason.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from mlobs.cli import surroundings
from mlobs.errors import MlobsError
from mlobs.semconv import attributes as a
from mlobs.settings import ClientSettings, SdkSettings, variable

ARRIVAL_SECONDS = 15.0
JUDGED_SECONDS = 45.0  # A sampler in between waits for the rest of a trace, and each hop for its batch.
ANSWER_SECONDS = 5.0
SKEW_SECONDS_MAX = 60.0
GRPC_PORT, HTTP_PORT = 4317, 4318
PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
MEANINGS = {
    401: "The server wants a token: set OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN.",
    403: "The token may not send, or the address is not this machine's; the scope it needs is ingest.",
    404: "Nothing takes OTLP at that path. The endpoint is the base address, without /v1/traces.",
    405: "Nothing takes OTLP at that path. The endpoint is the base address, without /v1/traces.",
    413: "Even one span is too large for it: something other than an OTLP receiver answers.",
    415: "It does not take protobuf: something other than an OTLP receiver answers.",
    429: "It is busy; spans are kept and sent again.",
    503: "It cannot take data now.",
}

# What gRPC calls them.
GRPC_CODES = {
    "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, "UNIMPLEMENTED": 415, "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
}  # fmt: skip


class Trouble(Exception):  # noqa: N818 # it is no error of this program
    """What is wrong, and what to do."""


@dataclass
class Patient:
    """What the steps find out for those after them."""

    settings: SdkSettings
    client: ClientSettings
    remarks: list[str] = field(default_factory=list)
    trace_id: str = ""
    is_mlobs: bool = False

    @property
    def grpc(self) -> bool:
        """Return whether spans go over gRPC."""
        return self.settings.protocol == "grpc"

    @property
    def base(self) -> str:
        """Return the endpoint, of spans where they have their own."""
        from mlobs.instrument.transport.choice import GRPC_ENDPOINT

        own = self.settings.traces_endpoint
        if own and not self.grpc:
            parts = urlsplit(own)
            return f"{parts.scheme}://{parts.netloc}"
        untold = self.grpc and "endpoint" not in self.settings.model_fields_set
        return own or (GRPC_ENDPOINT if untold else self.settings.endpoint)

    @property
    def address(self) -> str:
        """Return where spans go."""
        if self.grpc:
            return self.base
        return self.settings.traces_endpoint or f"{self.settings.endpoint}/v1/traces"

    @property
    def told_by(self) -> str:
        """Return the variable that says so."""
        return variable(SdkSettings, "traces_endpoint" if self.settings.traces_endpoint else "endpoint")

    @property
    def headers(self) -> dict[str, str]:
        """Return what goes with them."""
        from mlobs.instrument.transport.choice import headers_of

        return headers_of(self.settings.traces_headers or self.settings.headers)

    @property
    def tls(self) -> dict[str, Any]:
        """Return what `requests` takes: whom to trust, and what to show."""
        settings = self.settings
        shown = (str(settings.client_certificate), str(settings.client_key))
        return {
            "verify": str(settings.certificate) if settings.certificate else True,
            "cert": shown if settings.client_certificate else None,
        }


def examine(patient: Patient) -> tuple[list[dict[str, object]], str]:
    """Go the way; return each step, and the reason if one failed."""
    steps: list[dict[str, object]] = []
    for name, step in STEPS:
        try:
            steps.append({"step": name, "ok": True, "found": step(patient)})
        except (Trouble, MlobsError) as trouble:
            steps.append({"step": name, "ok": False, "found": str(trouble)})
            return steps, str(trouble)
    return steps, ""


def told(patient: Patient) -> str:
    """Look at what the environment says."""
    settings = patient.settings
    if settings.disabled:
        raise Trouble(f"{variable(SdkSettings, 'disabled')} is set, so nothing is recorded. Unset it.")
    if reason := surroundings.trouble(os.environ):
        raise Trouble(reason)
    parts = urlsplit(patient.base)
    if not patient.grpc and parts.port == GRPC_PORT:
        raise Trouble(
            f"The endpoint {patient.base} has the port of gRPC, and OTLP is sent over HTTP. "
            "Use port 4318, or set OTEL_EXPORTER_OTLP_PROTOCOL=grpc."
        )
    if patient.grpc and parts.port == HTTP_PORT:
        raise Trouble(
            f"The endpoint {patient.base} has the port of HTTP, and OTLP is sent over gRPC. "
            "Use port 4317, or set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf."
        )
    for field_name in ("certificate", "client_certificate", "client_key"):
        file = getattr(settings, field_name)
        if file is not None and not file.is_file():
            raise Trouble(f"{variable(SdkSettings, field_name)}={str(file)!r} is no file.")
    patient.remarks += surroundings.remarks(os.environ)
    proxies = [name for name in PROXIES if os.environ.get(name)]
    bypassed = os.environ.get("no_proxy", os.environ.get("NO_PROXY", ""))
    if proxies and str(parts.hostname) not in bypassed:
        patient.remarks.append(
            f"{proxies[0]} is set and NO_PROXY does not name {parts.hostname}: exports go through the proxy."
        )
    server = urlsplit(patient.client.server)
    same = server.hostname == parts.hostname and (patient.grpc or server.port == parts.port)
    if not same:
        patient.remarks.append(
            f"Spans go to {patient.base} and questions to {patient.client.server}; that is right "
            "only with a collector in between."
        )
    return f"spans go to {patient.address}{' over gRPC' if patient.grpc else ''}"


def answers(patient: Patient) -> str:
    """See who is at the endpoint."""
    import requests

    from mlobs.server.unanswered import unanswered

    nobody = (
        f"Nothing answers at {patient.base}. Start the server with: mlobs up, or set "
        f"{patient.told_by} to where it is."
    )
    if patient.grpc:
        return _answers_grpc(patient, nobody)
    try:
        answer = requests.get(f"{patient.base}/healthz", timeout=ANSWER_SECONDS, **patient.tls)
    except requests.exceptions.Timeout:
        raise Trouble(f"{patient.base} does not answer within {ANSWER_SECONDS:g} s.") from None
    except requests.exceptions.RequestException as error:
        trust = variable(SdkSettings, "certificate")
        raise Trouble(unanswered(patient.base, error, nobody=nobody, trust=trust)) from None
    _compare_clocks(patient, answer.headers.get("date", ""))
    try:
        patient.is_mlobs = answer.json() == {"status": "ok"}
    except requests.exceptions.JSONDecodeError:
        patient.is_mlobs = False
    return "an mlobs server answers" if patient.is_mlobs else "something that is no mlobs server answers"


def _answers_grpc(patient: Patient, nobody: str) -> str:
    """See whether gRPC is spoken at the endpoint."""
    from mlobs.cli.grpc_channel import unready

    settings = patient.settings
    client = (settings.client_certificate, settings.client_key)
    reason = unready(patient.base, settings.certificate, client, ANSWER_SECONDS, nobody=nobody)
    if reason:
        raise Trouble(reason)
    return "a gRPC server answers"


def accepts(patient: Patient) -> str:
    """Send a span."""
    import requests

    body = _probe(patient)
    if patient.grpc:
        return _accepts_grpc(patient, body)
    given = {"Content-Type": "application/x-protobuf", **patient.headers}
    try:
        answer = requests.post(patient.address, body, headers=given, timeout=ANSWER_SECONDS, **patient.tls)
    except requests.exceptions.RequestException as error:
        raise Trouble(f"Sending to {patient.address} fails: {error.__class__.__name__}.") from None
    if answer.status_code != 200:
        meaning = MEANINGS.get(answer.status_code, "It is no OTLP receiver, or a broken one.")
        if answer.status_code in {404, 405} and patient.settings.traces_endpoint:
            meaning = (
                f"Nothing takes OTLP at that path. {patient.told_by} is used as it is, so it needs the path: "
                f"{patient.base}/v1/traces."
            )
        raise Trouble(f"{patient.address} answers {answer.status_code}. {meaning}{_said(answer.text)}")
    return "a span was acknowledged"


def _accepts_grpc(patient: Patient, body: bytes) -> str:
    """Send a span as a program does."""
    from mlobs.instrument.transport.choice import transport_of

    answer = transport_of(patient.settings).post(body, ANSWER_SECONDS)
    if answer.outcome != "accepted":
        code = answer.words.partition(":")[0]
        meaning = MEANINGS.get(GRPC_CODES.get(code, 0), "It is no OTLP receiver, or a broken one.")
        raise Trouble(f"{patient.address} refuses the span. {meaning}{_said(answer.words)}")
    return "a span was acknowledged"


def _said(text: str) -> str:
    said = "".join(character for character in text[:200] if character.isprintable())
    return f" It says: {said}" if said else ""


def works(patient: Patient) -> str:
    """Ask the server how it is."""
    import requests

    from mlobs.server.client import trusted
    from mlobs.server.unanswered import unanswered

    server = patient.client.server
    nobody = f"No mlobs server answers at {server}. Name it with --server or MLOBS_SERVER."
    try:
        answer = requests.get(f"{server}/readyz", timeout=ANSWER_SECONDS, verify=trusted(patient.client))
        failures = answer.json()["failures"]
    except (requests.exceptions.JSONDecodeError, KeyError, TypeError):
        raise Trouble(nobody) from None
    except requests.exceptions.RequestException as error:
        trust = variable(ClientSettings, "certificate")
        raise Trouble(unanswered(server, error, nobody=nobody, trust=trust)) from None
    if failures:
        raise Trouble(
            "The server has trouble: " + "; ".join(f"{part}: {why}" for part, why in failures.items())
        )
    return "the server takes and stores data"


def arrives(patient: Patient) -> str:
    """Look for the span."""
    from mlobs.cli.asking import client

    began = time.monotonic()
    wait_s = ARRIVAL_SECONDS if patient.is_mlobs else JUDGED_SECONDS
    with client(patient.client.server) as asked:
        while True:
            try:
                asked.get(f"/api/traces/{patient.trace_id}", missing="not yet")
            except MlobsError as error:
                if str(error) != "not yet":
                    raise Trouble(f"The server does not answer questions: {error}") from None
            else:
                return f"the span was found after {time.monotonic() - began:.1f} s"
            if time.monotonic() - began > wait_s:
                where = (
                    f" What stands between took it. Which collector holds, dropped or refused it says: mlobs "
                    f"doctor --loss --server {patient.client.server}"
                )
                raise Trouble(
                    f"The span was acknowledged and cannot be found after {wait_s:g} s."
                    f"{'' if patient.is_mlobs else where}"
                )
            time.sleep(0.2)


STEPS: tuple[tuple[str, Callable[[Patient], str]], ...] = (
    ("settings", told),
    ("endpoint", answers),
    ("sending", accepts),
    ("server", works),
    ("arrival", arrives),
)


def _compare_clocks(patient: Patient, header: str) -> None:
    try:
        skew = parsedate_to_datetime(header).timestamp() - time.time()
    except ValueError:
        return
    if abs(skew) > SKEW_SECONDS_MAX:
        patient.remarks.append(
            f"The server's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's; "
            "lists of the newest traces may miss some."
        )


def _probe(patient: Patient) -> bytes:
    """Return a request with one span."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "mlobs-doctor"
    now_ns = time.time_ns()
    made = resource.scope_spans.add().spans.add(
        trace_id=os.urandom(16),
        span_id=os.urandom(8),
        name="doctor",
        kind=1,
        start_time_unix_nano=now_ns,
        end_time_unix_nano=now_ns,
    )
    made.attributes.add(key=a.KEEP.name).value.bool_value = True  # No sampler is to leave it out.
    patient.trace_id = made.trace_id.hex()
    return request.SerializeToString()
