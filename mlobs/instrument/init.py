"""Switches mlobs on and off. Edge: the only file that sets up the OpenTelemetry SDK.

`init` joins what is there and adds what is missing. With no TracerProvider in the process, our
exporter delivers decorated calls and an SDK provider is installed for everybody else's spans;
with one, decorated calls become its spans. Meter and logger providers are installed only where
there are none.
"""

import atexit
import logging
import threading
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from multiprocessing import util
from typing import TYPE_CHECKING
from urllib.parse import unquote

from opentelemetry import _logs, metrics, trace

from mlobs.errors import SettingError
from mlobs.instrument.export import Exporter
from mlobs.instrument.recorders import OwnRecorder, TracerRecorder, active
from mlobs.semconv import attributes as a
from mlobs.semconv.metrics import SDK_DROPPED, SDK_EXPORTED
from mlobs.settings import SdkSettings, load

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import Sampler

log = logging.getLogger("mlobs")

UNREACHED_S_MAX = 1.0  # what a program's end may wait for an endpoint that never answered


class Telemetry:
    """What `init` started, so that `flush` and `shutdown` can reach it."""

    arguments: tuple[str | None, str | None] | None = None
    exporter: "Exporter | None" = None
    tracers: "TracerProvider | None" = None
    meters: "MeterProvider | None" = None
    loggers: "LoggerProvider | None" = None


_telemetry = Telemetry()


def init(service: str | None = None, *, endpoint: str | None = None) -> None:
    """Switch mlobs on. Optional where the process has a TracerProvider already.

    Args:
        service: `service.name`; else OTEL_SERVICE_NAME, else "unknown_service".
        endpoint: Where OTLP over HTTP goes; else OTEL_EXPORTER_OTLP_ENDPOINT, else
            http://127.0.0.1:4318.

    Raises:
        SettingError: A setting cannot be used, or mlobs was switched on before with others.
    """
    settings = load(SdkSettings, endpoint=endpoint)
    if _telemetry.arguments is not None:
        if _telemetry.arguments != (service, endpoint) or active.closed:
            raise SettingError(
                f"mlobs.init({service!r}, endpoint={endpoint!r}) came after mlobs.init"
                f"{_telemetry.arguments!r}{' and mlobs.shutdown()' if active.closed else ''}. "
                f"A process is switched on once; call init in one place, before anything else."
            )
        return
    _telemetry.arguments = (service, endpoint)
    if settings.disabled:
        active.closed = True
        return
    # Our exporter says once what theirs would repeat for each signal and try.
    logging.getLogger("opentelemetry.exporter.otlp").setLevel(logging.CRITICAL)
    from opentelemetry.sdk.resources import Resource  # only who switches mlobs on pays for the SDK

    resource = Resource.create({a.SERVICE_NAME.name: service} if service else None)
    if trace._TRACER_PROVIDER is not None:  # noqa: SLF001 # see recorders.discover
        active.recorder = TracerRecorder(trace.get_tracer("mlobs", version("mlobs")))
        if endpoint is not None:
            log.info("This process has a TracerProvider; spans go where it sends them, not to %s.", endpoint)
    else:
        _install_tracing(settings, resource)
    _install_metrics(settings, resource)
    _install_logs(settings, resource)
    _at_the_end()


def _at_the_end() -> None:
    """Deliver what is left when the program ends, also in children of multiprocessing.

    Those end without `atexit`, but run the finalizers that are registered after the fork.
    """
    atexit.register(shutdown)

    def finalize(_: object = None) -> None:
        util.Finalize(None, shutdown, exitpriority=0)

    finalize()
    util.register_after_fork(_telemetry, finalize)


def flush(timeout_s: float = 10.0) -> bool:
    """Deliver everything recorded so far; return whether that was done within `timeout_s`."""
    deadline_s = time.monotonic() + timeout_s
    done = _telemetry.exporter.flush(timeout_s) if _telemetry.exporter else True
    if _telemetry.exporter is not None and _telemetry.exporter.reachable is False:
        return False
    providers = (_telemetry.tracers, _telemetry.meters, _telemetry.loggers)
    return _by(deadline_s, [one.force_flush for one in providers if one is not None]) and done


def shutdown(timeout_s: float = 5.0) -> bool:
    """Deliver what is recorded and switch mlobs off, for good. Runs by itself when the program ends."""
    active.recorder, closed, active.closed = None, active.closed, True
    if closed:
        return True
    ours = _telemetry.exporter
    deadline_s = time.monotonic() + timeout_s
    done = ours.shutdown(timeout_s) if ours else True
    if ours is not None and ours.dropped.get("unreachable"):
        log.warning(
            "%d spans were lost: nothing took them at the endpoint. Start a server with: mlobs up",
            ours.dropped["unreachable"],
        )
    if ours is not None and not ours.reachable:
        deadline_s = min(deadline_s, time.monotonic() + UNREACHED_S_MAX)
    providers = (_telemetry.tracers, _telemetry.loggers, _telemetry.meters)
    return _by(deadline_s, [one.shutdown for one in providers if one is not None]) and done


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
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    url = f"{settings.endpoint}/v1/traces"
    _telemetry.exporter = Exporter(
        settings,
        url=url,
        headers=_headers(settings.headers),
        resource=lambda: dict((_telemetry.tracers.resource if _telemetry.tracers else resource).attributes),
        version=version("mlobs"),
    )
    _telemetry.tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    foreign = OTLPSpanExporter(endpoint=url, timeout=settings.timeout_s)
    _telemetry.tracers.add_span_processor(BatchSpanProcessor(foreign))
    trace.set_tracer_provider(_telemetry.tracers)
    active.recorder = OwnRecorder(_telemetry.exporter.offer, _unless_always_on(_telemetry.tracers.sampler))


def _install_metrics(settings: SdkSettings, resource: "Resource") -> None:
    if metrics._internal._METER_PROVIDER is not None:  # noqa: SLF001 # see recorders.discover
        return
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(endpoint=f"{settings.endpoint}/v1/metrics", timeout=settings.timeout_s),
        export_interval_millis=settings.metrics_interval_s * 1000,
    )
    _telemetry.meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    metrics.set_meter_provider(_telemetry.meters)
    exporter = _telemetry.exporter
    if exporter is not None:
        meter = metrics.get_meter("mlobs", version("mlobs"))
        meter.create_observable_counter(
            SDK_DROPPED.name,
            [
                lambda _: [
                    metrics.Observation(count, {a.SDK_DROPPED.name: reason})
                    for reason, count in list(exporter.dropped.items())
                ]
            ],
            SDK_DROPPED.unit,
            SDK_DROPPED.about,
        )
        meter.create_observable_counter(
            SDK_EXPORTED.name,
            [lambda _: [metrics.Observation(exporter.exported)]],
            SDK_EXPORTED.unit,
            SDK_EXPORTED.about,
        )


def _install_logs(settings: SdkSettings, resource: "Resource") -> None:
    if _logs._internal._LOGGER_PROVIDER is not None:  # noqa: SLF001 # see recorders.discover
        return
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    _telemetry.loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPLogExporter(endpoint=f"{settings.endpoint}/v1/logs", timeout=settings.timeout_s)
    _telemetry.loggers.add_log_record_processor(BatchLogRecordProcessor(exporter))
    _logs.set_logger_provider(_telemetry.loggers)


def _unless_always_on(sampler: "Sampler") -> "Sampler | None":
    """Return the sampler, or None where it would say yes to every root: then nobody need ask."""
    from opentelemetry.sdk.trace.sampling import DEFAULT_ON

    return None if sampler is DEFAULT_ON else sampler


def _headers(text: str) -> dict[str, str]:
    """Read OTEL_EXPORTER_OTLP_HEADERS: key=value pairs, values percent-encoded."""
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {key.strip(): unquote(value.strip()) for key, _, value in pairs}
