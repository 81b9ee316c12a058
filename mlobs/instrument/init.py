"""Switches mlobs on and off. Edge: it sets up the OpenTelemetry SDK.

`init` joins what is there and adds what is missing. With no TracerProvider in the process, our
exporter delivers decorated calls and an SDK provider is installed for everybody else's spans;
with one, decorated calls become its spans. Meter and logger providers are installed only where
there are none.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs, metrics, trace

from mlobs._endings import at_the_end, frozen_between_calls, unbroken
from mlobs._extras import require
from mlobs.errors import SettingError
from mlobs.instrument.absorption import absorb
from mlobs.instrument.activation import activate
from mlobs.instrument.baggage import allow
from mlobs.instrument.calls import Call
from mlobs.instrument.carrying import patch_executors
from mlobs.instrument.content.policy import defaults_of
from mlobs.instrument.content.redaction import Queries
from mlobs.instrument.describe import Dialect
from mlobs.instrument.export import Exporter
from mlobs.instrument.failures import emit_failures
from mlobs.instrument.measures import Measures
from mlobs.instrument.recorders import OwnRecorder, TracerRecorder, active, end_open_calls
from mlobs.instrument.records import Records, counted_logs, counted_metrics
from mlobs.instrument.sites import settle
from mlobs.instrument.suppression import watch
from mlobs.instrument.tallies import observe_records, observe_spans
from mlobs.instrument.transport.choice import GRPC_ENDPOINT, transport_of
from mlobs.instrument.transport.sessions import OtlpSession
from mlobs.prices.book import use
from mlobs.prices.file import load_prices
from mlobs.semconv import attributes as a
from mlobs.settings import TRUSTED, SdkSettings, load

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import Sampler

    from mlobs.instrument.content.media import MediaStore

log = logging.getLogger("mlobs")

PROVIDER = "_CREDENTIAL_PROVIDER"  # variables that end in it name a session of the program's own
WAIT_S_MAX = 86_400.0  # of "as long as it takes", which threads cannot be told
ENDING_S_MAX = 6.0  # what `shutdown` may take where SIGTERM ends the process
UNREACHED_S_MAX = 1.0  # what a program may be held up for an endpoint that nobody answers at


class Telemetry:
    """What `init` started, so that `flush` and `shutdown` can reach it."""

    given: dict[str, Any] | None = None
    exporter: "Exporter | None" = None
    tracers: "TracerProvider | None" = None
    meters: "MeterProvider | None" = None
    loggers: "LoggerProvider | None" = None
    media: "MediaStore | None" = None
    measures: Measures | None = None
    events: bool = False

    def __init__(self) -> None:
        self.records: dict[str, Records] = {}


_telemetry = Telemetry()


def init(
    service: str | None = None,
    *,
    endpoint: str | None = None,
    content: str | None = None,
    metrics: str | None = None,
    auto: bool | None = None,
) -> None:
    """Switch mlobs on. Optional where the process has a TracerProvider already.

    Args:
        service: `service.name`; else OTEL_SERVICE_NAME, else "unknown_service".
        endpoint: Where OTLP goes; else OTEL_EXPORTER_OTLP_ENDPOINT, else http://127.0.0.1:4318.
        content: What is recorded of arguments and results: "off", "redacted" or "full"; else
            MLOBS_CONTENT, else off.
        metrics: "process" derives the metrics of the conventions from the calls of this process;
            else MLOBS_METRICS, else they are left to the server or collector.
        auto: Switches on the GenAI instrumentations that are installed; else MLOBS_AUTO, else no.

    Raises:
        SettingError: A setting cannot be used, or mlobs was switched on before with others.
    """
    given = {"service": service, "endpoint": endpoint, "content": content, "metrics": metrics, "auto": auto}
    settings = load(SdkSettings, endpoint=endpoint, content=content, metrics=metrics, auto=auto)
    if endpoint is not None:  # an argument wins over every variable, also over the one for spans only
        settings = settings.model_copy(update={"traces_endpoint": None})
    if _telemetry.given is not None:
        _again(given)
        return
    if settings.disabled:
        _telemetry.given = given
        active.closed = True
        return
    _start(service, settings, endpoint)
    _telemetry.given = given


def _again(given: dict[str, Any]) -> None:
    """Accept a repeated `init`, and refuse one that wants something else."""
    if _telemetry.given == given and not active.closed:
        return
    if "MLOBS_RUN" in os.environ and not active.closed:
        log.info("`mlobs run` has switched mlobs on; mlobs.init(%s) came later.", _words(given))
        return
    now, before = _words(given), _words(_telemetry.given or {})
    closed = " and mlobs.shutdown()" if active.closed else ""
    raise SettingError(
        f"mlobs.init({now}) came after mlobs.init({before}){closed}. "
        f"A process is switched on once, also after a shutdown; call init in one place, before anything "
        f"else. To change it, start the process anew; in a notebook, restart the kernel."
    )


def _words(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in given.items() if value is not None)


def _start(service: str | None, settings: SdkSettings, endpoint: str | None) -> None:
    """Check everything that can be refused, then switch on."""
    if settings.prices is not None:
        use(load_prices(settings.prices))
    allow(settings.baggage)
    _check_propagators()
    content = defaults_of(settings)
    _telemetry.events = settings.events
    Dialect.older = settings.semconv == "compat"
    Queries.mode = content.mode
    scraped = None if settings.metrics_port is None else _scraped(settings.metrics_port)
    _telemetry.media = content.media
    full = content.nouns.get("llm", content.mode) == "full"
    # Our exporter says once what theirs would repeat for each signal and try.
    logging.getLogger("opentelemetry.exporter.otlp").setLevel(logging.CRITICAL)
    from opentelemetry.sdk.resources import Resource  # only who switches mlobs on pays for the SDK

    resource = Resource.create({a.SERVICE_NAME.name: service} if service else None)
    if trace._TRACER_PROVIDER is not None:  # noqa: SLF001 # see recorders.discover
        active.recorder = _tracing()
        if endpoint is not None:
            log.warning(
                "This process has a TracerProvider already: spans go where it sends them, and not to "
                "endpoint=%r. Call mlobs.init before that provider is set, or give it an exporter to there.",
                endpoint,
            )
    else:
        _install_tracing(settings, resource)
    _install_metrics(settings, resource, scraped)
    _install_logs(settings, resource)
    if settings.metrics == "process":
        _telemetry.measures = Measures()
    settle(content=lambda policy: policy.resolved(content))
    if settings.executors:
        patch_executors()
    if settings.auto:
        log.info("Instrumentations: %s", activate(content="full" if full else "off"))
    else:
        watch(content=full)
    at_the_end(shutdown, within_s=ENDING_S_MAX, last=True)  # metrics tell what others count at the end


def _check_propagators() -> None:
    """Load the propagators, which are read from the environment when they are imported.

    Raises:
        SettingError: One of them is not known.
    """
    try:
        import_module("opentelemetry.propagate")
    except ValueError as error:
        told = os.environ.get("OTEL_PROPAGATORS")
        raise SettingError(f"OTEL_PROPAGATORS={told!r} cannot be used: {error}") from None


def flush(timeout_s: float = 10.0) -> bool:
    """Deliver everything recorded so far; return whether that was done within `timeout_s`."""
    timeout_s = min(timeout_s, WAIT_S_MAX)
    deadline_s = time.monotonic() + timeout_s
    done = _telemetry.exporter.flush(timeout_s) if _telemetry.exporter else True
    if _telemetry.exporter is not None and _telemetry.exporter.reachable is False:
        return False
    providers = (_telemetry.tracers, _telemetry.meters, _telemetry.loggers)
    tasks = [one.force_flush for one in providers if one is not None] + _media()
    return _by(deadline_s, tasks) and done


def shutdown(timeout_s: float = 5.0) -> bool:
    """Deliver what is recorded and switch mlobs off, for good. Runs by itself when the program ends."""
    with unbroken():
        return active.closed or _close(timeout_s)


def _close(timeout_s: float) -> bool:
    end_open_calls()
    active.recorder, active.closed = None, True
    ours = _telemetry.exporter
    timeout_s = min(timeout_s, WAIT_S_MAX)
    deadline_s = time.monotonic() + timeout_s
    done = ours.shutdown(timeout_s) if ours else True
    if ours is not None and (told := ours.losses()):
        log.warning("%s", told)
    if ours is not None and not ours.reachable:
        deadline_s = min(deadline_s, time.monotonic() + UNREACHED_S_MAX)
    providers = (_telemetry.tracers, _telemetry.loggers)
    done &= _by(deadline_s, [one.shutdown for one in providers if one is not None] + _media())
    # Metrics last: they say what became of the others.
    meters = _telemetry.meters
    return _by(deadline_s, [] if meters is None else [meters.shutdown]) and done


def _media() -> list[Callable[[], object]]:
    return [] if _telemetry.media is None else [_telemetry.media.flush]


def _by(deadline_s: float, tasks: Sequence[Callable[[], object]]) -> bool:
    """Do everything at once; return whether all was done by the deadline.

    The SDK's processors do not keep to a timeout, so they are left behind in their threads.
    """
    results: list[object] = []
    threads = [threading.Thread(target=lambda do=do: results.append(do()), daemon=True) for do in tasks]
    for thread in threads:
        try:
            thread.start()
        except RuntimeError:  # from Python 3.12 on no thread starts once the interpreter is ending
            thread.run()
    for thread in threads:
        if thread.ident is not None:
            thread.join(max(0.0, deadline_s - time.monotonic()))
    return len(results) == len(tasks) and False not in results


def _install_tracing(settings: SdkSettings, resource: "Resource") -> None:
    from mlobs.instrument.provider import Forwarding, Provider

    exporter = Exporter(
        settings,
        transport_of(settings),
        observe=_observe,
        resource=lambda: dict((_telemetry.tracers.resource if _telemetry.tracers else resource).attributes),
        version=version("mlobs"),
    )

    def joined() -> None:
        """Let decorated calls pass through the processors of the program."""
        if not active.closed:
            active.recorder = _tracing()

    def flush_root() -> None:
        """Deliver what a function recorded before it is frozen; where nobody answers, do not hold it up."""
        if not exporter.flush(UNREACHED_S_MAX) and exporter.reachable is not False:
            exporter.flush(settings.timeout_s)

    at_root = flush_root if frozen_between_calls() else None
    provider = Provider(resource, Forwarding(exporter.outbox, exporter.flush, at_root), joined)
    _telemetry.exporter, _telemetry.tracers = exporter, provider
    active.waiting = exporter.outbox.waiting
    absorb(provider)
    trace.set_tracer_provider(provider)
    active.recorder = OwnRecorder(exporter.outbox, _unless_always_on(provider.sampler), at_root)


def _tracing() -> TracerRecorder:
    return TracerRecorder(trace.get_tracer("mlobs", version("mlobs")), _observe)


def _observe(calls: list[Call]) -> None:
    if _telemetry.measures is not None:
        _telemetry.measures.record(calls)
    if _telemetry.events:
        emit_failures(calls)


def _scraped(port: int) -> Any:
    """Serve this process's metrics to Prometheus on a port of loopback, and return what collects them.

    Raises:
        SettingError: The port cannot be listened on.
        MissingExtraError: The exporter is not installed.
    """
    exporter = require("opentelemetry.exporter.prometheus", extra="prometheus", feature="MLOBS_METRICS_PORT")
    client = require("prometheus_client", extra="prometheus", feature="MLOBS_METRICS_PORT")
    try:
        client.start_http_server(port, addr="127.0.0.1")
    except OSError as error:
        raise SettingError(f"MLOBS_METRICS_PORT={port} cannot be used: {error.strerror}.") from None
    return exporter.PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False)


def _install_metrics(settings: SdkSettings, resource: "Resource", scraped: Any) -> None:
    if metrics._internal._METER_PROVIDER is not None:  # noqa: SLF001 # see recorders.discover
        return
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    points = _telemetry.records["metrics"] = Records("metrics")
    made = _exporter(settings, "metric_exporter", "OTLPMetricExporter", "/v1/metrics")
    pushed = PeriodicExportingMetricReader(
        counted_metrics(made, points),
        export_interval_millis=settings.metrics_interval_s * 1000,
    )
    readers = [pushed] if scraped is None else [pushed, scraped]
    _telemetry.meters = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
    metrics.set_meter_provider(_telemetry.meters)
    meter = metrics.get_meter("mlobs", version("mlobs"))
    if _telemetry.exporter is not None:
        observe_spans(meter, _telemetry.exporter.tally)
    observe_records(meter, lambda: tuple(_telemetry.records.values()))


def _install_logs(settings: SdkSettings, resource: "Resource") -> None:
    if _logs._internal._LOGGER_PROVIDER is not None:  # noqa: SLF001 # see recorders.discover
        return
    records = _telemetry.records["logs"] = Records("logs")
    from opentelemetry.sdk._logs import LoggerProvider

    from mlobs.instrument.log_queue import CountingProcessor, queue_max

    _telemetry.loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
    made = _exporter(settings, "_log_exporter", "OTLPLogExporter", "/v1/logs")
    _telemetry.loggers.add_log_record_processor(
        CountingProcessor(counted_logs(made, records), records, queue_max(os.environ))
    )
    _logs.set_logger_provider(_telemetry.loggers)


def _exporter(settings: SdkSettings, module: str, name: str, path: str) -> Any:
    """Return the SDK's exporter of metrics or logs; it reads what else there is from OTEL_EXPORTER_OTLP_*."""
    # MLOBS_CERTIFICATE, which ours reads where the standard variable is not set, and theirs does not know.
    file = None if os.environ.get(TRUSTED) else settings.certificate
    if settings.protocol == "grpc":
        package = "opentelemetry.exporter.otlp.proto.grpc"
        made = getattr(require(f"{package}.{module}", extra="grpc", feature="OTLP over gRPC"), name)
        endpoint = settings.endpoint if "endpoint" in settings.model_fields_set else GRPC_ENDPOINT
        trust: dict[str, Any] = {}
        files = (file, settings.client_key, settings.client_certificate)
        if file is not None and all(one is None or one.is_file() for one in files):  # else spans say so
            from grpc import ssl_channel_credentials

            trust["credentials"] = ssl_channel_credentials(*(one and one.read_bytes() for one in files))
        return made(endpoint=endpoint, timeout=settings.timeout_s, **trust)
    package = "opentelemetry.exporter.otlp.proto.http"
    made = getattr(import_module(f"{package}.{module}"), name)
    trust = {} if file is None else {"certificate_file": str(file)}
    if not any(name.endswith(PROVIDER) for name in os.environ):
        trust["session"] = OtlpSession()
    return made(endpoint=f"{settings.endpoint}{path}", timeout=settings.timeout_s, **trust)


def _unless_always_on(sampler: "Sampler") -> "Sampler | None":
    """Return the sampler, or None where it would say yes to every root: then nobody need ask."""
    from opentelemetry.sdk.trace.sampling import DEFAULT_ON

    return None if sampler is DEFAULT_ON else sampler
