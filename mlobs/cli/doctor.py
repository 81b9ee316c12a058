"""`mlobs doctor`: the one reason why nothing arrives.

It goes the way of a span from this program's settings to the server's tables, and stops at the first
step that fails; what follows could only fail for the same reason.
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from mlobs.errors import MlobsError
from mlobs.settings import ClientSettings, SdkSettings, from_flags, load, variable

ARRIVAL_SECONDS = 15.0
ANSWER_SECONDS = 5.0
SKEW_SECONDS_MAX = 60.0
GRPC_PORT = 4317
PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
EPILOG = """\
It reads the same variables as an instrumented program, so run it where the program runs, with its
environment. One span of the service mlobs-doctor is sent and looked for.
exit status: 0 all is well, 1 something is not, 2 could not be asked
"""
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
    def address(self) -> str:
        """Return where spans go."""
        return self.settings.traces_endpoint or f"{self.settings.endpoint}/v1/traces"

    @property
    def headers(self) -> dict[str, str]:
        """Return what goes with them."""
        text = self.settings.traces_headers or self.settings.headers
        pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
        return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


def register(nouns: Any) -> None:
    """Add `mlobs doctor`."""
    command = nouns.add_parser(
        "doctor",
        help="find out why nothing arrives",
        description="Go the way of a span from here to the server's tables and say where it ends.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--server", help="the server to ask (default: http://127.0.0.1:4318, MLOBS_SERVER)")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(handler=doctor)


def doctor(arguments: argparse.Namespace) -> int:
    """Print each step, and at the end the reason."""
    from mlobs.cli.printing import console, print_json, visible

    patient = Patient(load(SdkSettings), from_flags(ClientSettings, server=arguments.server))
    steps = []
    reason = ""
    for name, step in STEPS:
        try:
            steps.append({"step": name, "ok": True, "found": step(patient)})
        except Trouble as trouble:
            reason = str(trouble)
            steps.append({"step": name, "ok": False, "found": reason})
            break
    if arguments.json:
        print_json({"ok": not reason, "reason": reason or None, "steps": steps, "remarks": patient.remarks})
        return 1 if reason else 0
    out = console()
    for one in steps:
        out.print(f"{'ok  ' if one['ok'] else 'FAIL'} {one['step']}: {visible(one['found'])}", markup=False)
    for remark in patient.remarks:
        out.print(f"note {visible(remark)}", markup=False)
    if not reason:
        out.print("All is well: a span that this environment sends can be asked for.")
    return 1 if reason else 0


def told(patient: Patient) -> str:
    """Look at what the environment says."""
    settings = patient.settings
    if settings.disabled:
        raise Trouble(f"{variable(SdkSettings, 'disabled')} is set, so nothing is recorded. Unset it.")
    parts = urlsplit(settings.endpoint)
    if settings.protocol == "http/protobuf" and parts.port == GRPC_PORT:
        raise Trouble(
            f"The endpoint {settings.endpoint} has the port of gRPC, and OTLP is sent over HTTP. "
            "Use port 4318, or set OTEL_EXPORTER_OTLP_PROTOCOL=grpc."
        )
    if settings.protocol == "grpc":
        patient.remarks.append("OTLP is sent over gRPC; the probe goes over HTTP, to the same host.")
    proxies = [name for name in PROXIES if os.environ.get(name)]
    bypassed = os.environ.get("no_proxy", os.environ.get("NO_PROXY", ""))
    if proxies and str(parts.hostname) not in bypassed:
        patient.remarks.append(
            f"{proxies[0]} is set and NO_PROXY does not name {parts.hostname}: exports go through the proxy."
        )
    server = urlsplit(patient.client.server)
    if (server.hostname, server.port) != (parts.hostname, parts.port):
        patient.remarks.append(
            f"Spans go to {settings.endpoint} and questions to {patient.client.server}; that is right "
            "only with a collector in between."
        )
    return f"spans go to {patient.address}"


def answers(patient: Patient) -> str:
    """See who is at the endpoint."""
    import requests

    try:
        answer = requests.get(f"{patient.settings.endpoint}/healthz", timeout=ANSWER_SECONDS)
    except requests.exceptions.SSLError as error:
        raise Trouble(
            f"TLS with {patient.settings.endpoint} fails: {error.__class__.__name__}. "
            "OTEL_EXPORTER_OTLP_CERTIFICATE names the certificates to trust."
        ) from None
    except requests.exceptions.RequestException:
        raise Trouble(
            f"Nothing answers at {patient.settings.endpoint}. Start the server with: mlobs up, or set "
            f"{variable(SdkSettings, 'endpoint')} to where it is."
        ) from None
    _compare_clocks(patient, answer.headers.get("date", ""))
    try:
        patient.is_mlobs = answer.json() == {"status": "ok"}
    except requests.exceptions.JSONDecodeError:
        patient.is_mlobs = False
    return "an mlobs server answers" if patient.is_mlobs else "something that is no mlobs server answers"


def accepts(patient: Patient) -> str:
    """Send a span."""
    import requests

    body = _probe(patient)
    given = {"Content-Type": "application/x-protobuf", **patient.headers}
    certificate = patient.settings.certificate
    try:
        answer = requests.post(
            patient.address,
            body,
            headers=given,
            timeout=ANSWER_SECONDS,
            verify=str(certificate) if certificate else True,
        )
    except requests.exceptions.RequestException as error:
        raise Trouble(f"Sending to {patient.address} fails: {error.__class__.__name__}.") from None
    if answer.status_code != 200:
        meaning = MEANINGS.get(answer.status_code, "It is no OTLP receiver, or a broken one.")
        said = "".join(character for character in answer.text[:200] if character.isprintable())
        raise Trouble(f"{patient.address} answers {answer.status_code}. {meaning} It says: {said}")
    return "a span was acknowledged"


def works(patient: Patient) -> str:
    """Ask the server how it is."""
    import requests

    try:
        answer = requests.get(f"{patient.client.server}/readyz", timeout=ANSWER_SECONDS)
        failures = answer.json()["failures"]
    except (requests.exceptions.RequestException, ValueError, KeyError):
        raise Trouble(
            f"No mlobs server answers at {patient.client.server}. Name it with --server or MLOBS_SERVER."
        ) from None
    if failures:
        raise Trouble(
            "The server has trouble: " + "; ".join(f"{part}: {why}" for part, why in failures.items())
        )
    return "the server takes and stores data"


def arrives(patient: Patient) -> str:
    """Look for the span."""
    from mlobs.cli.asking import client

    began = time.monotonic()
    with client(patient.client.server) as asked:
        while True:
            try:
                asked.get(f"/api/traces/{patient.trace_id}", missing="not yet")
            except MlobsError as error:
                if str(error) != "not yet":
                    raise Trouble(f"The server does not answer questions: {error}") from None
            else:
                return f"the span was found after {time.monotonic() - began:.1f} s"
            if time.monotonic() - began > ARRIVAL_SECONDS:
                where = "" if patient.is_mlobs else " Look at what stands between: it took the span."
                raise Trouble(
                    f"The span was acknowledged and cannot be found after {ARRIVAL_SECONDS:g} s.{where}"
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
    patient.trace_id = made.trace_id.hex()
    return request.SerializeToString()
