"""Telemetry itself: services that fall silent, what is lost on the way, alerts that do not arrive.

What the server counts about itself is asked of Prometheus: a server in trouble is no witness of its own.
"""

from mlobs.alerts.catalogue.common import HOUR_S, MINUTE_S, SERVICE
from mlobs.alerts.indicators import Absence, Gauge, Increase, Watchdog
from mlobs.alerts.measured import Where
from mlobs.alerts.rules import Rule, slot
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric
from mlobs.thresholds import Thresholds

REFUSED_MIN = 5  # A client that is being set up gets it wrong a few times.


def pipeline(settings: Thresholds) -> tuple[Rule, ...]:
    """Return the rules about telemetry itself."""
    return (
        Rule(
            name="MlobsTelemetryAbsent",
            indicator=Absence(
                metrics=tuple(
                    metric for metric in m.DERIVED if metric.kind == "histogram" and not metric.measures
                ),
                window_s=10 * MINUTE_S,
                memory_s=6 * HOUR_S,
                calls_min=settings.calls_min,
            ),
            hold_s=5 * MINUTE_S,
            severity="critical",
            component="pipeline",
            summary=f"Nothing arrives from {SERVICE} any more.",
            description=(
                f"{SERVICE} was busy most of six hours, and then for {{window}}, and {{hold}} more, not "
                "one of its calls arrived: it is down, nobody reaches it, or its telemetry does not get "
                "through. Until it is back, no alert about its calls can fire. First: is the service up? "
                "Then: mlobs traces list --service NAME"
            ),
        ),
        Rule(
            name="MlobsTelemetryDropped",
            indicator=Increase(
                metric=m.SDK_DROPPED, by=(a.SERVICE_NAME, a.SDK_DROPPED), window_s=5 * MINUTE_S
            ),
            above=0,  # Without a hold: what is lost once is lost, and grows no more.
            keep_firing_s=10 * MINUTE_S,
            severity="warning",
            component="pipeline",
            summary=f"{SERVICE} loses telemetry.",
            description=(
                f"The SDK in {SERVICE} dropped about {{value}} spans in the last {{window}}. Reason: "
                f"{slot(a.SDK_DROPPED)}. Traces, counts and costs of {SERVICE} are too low by them. First: "
                "does the endpoint answer? curl -i http://127.0.0.1:4318/readyz"
            ),
        ),
        Rule(
            name="MlobsWatchdog",
            indicator=Watchdog(),
            severity="info",
            component="pipeline",
            summary="Alerting works.",
            description=(
                "This alert always fires. Route it to something that raises the alarm when it stops "
                "arriving: then Prometheus, Alertmanager or the way to you is broken, and no other alert "
                "gets through."
            ),
        ),
        *_server(settings),
        *_delivery(),
        _refused("Rules", "the file of alert rules", m.ALERT_RULES_REFUSED, "rules are evaluated"),
        _refused(
            "Routes", "the file of sinks and routes", m.ALERT_ROUTES_REFUSED, "sinks and routes are used"
        ),
    )


def _server(settings: Thresholds) -> tuple[Rule, ...]:
    signal, reason = slot(a.SIGNAL), slot(a.REASON)
    return (
        Rule(
            name="MlobsServerRefusing",
            # Longer than the hold: of what is refused at once, too, the sender may lose all.
            indicator=Increase(metric=m.SERVER_REFUSED, by=(a.SIGNAL, a.REASON), window_s=15 * MINUTE_S),
            above=REFUSED_MIN,
            hold_s=5 * MINUTE_S,
            keep_firing_s=10 * MINUTE_S,
            severity="warning",
            component="pipeline",
            summary=f"The server refuses requests for {signal}.",
            description=(
                f"The mlobs server refused about {{value}} requests for {signal} in the last {{window}}; "
                f"more than {{limit}} for {{hold}} alerts. Reason: {reason}. Who sends may try again, or "
                "lose it. First: the runbook says what to do about this reason."
            ),
        ),
        Rule(
            name="MlobsServerSetAside",
            indicator=Increase(metric=m.SERVER_SET_ASIDE, by=(a.SIGNAL,), window_s=15 * MINUTE_S),
            above=0,
            keep_firing_s=HOUR_S,
            severity="critical",
            component="pipeline",
            summary=f"The server could not store {signal} that it had acknowledged.",
            description=(
                f"Segments of {signal}, about {{value}}, could not be loaded into the store in the last "
                f"{{window}} and were set aside. Nothing is lost yet, but nothing reads them. First: what "
                "does the server's log say about the segment?"
            ),
        ),
        Rule(
            name="MlobsServerQueueFilling",
            indicator=Gauge(metric=m.SERVER_PENDING_BYTES, by=(a.SIGNAL,), unit="bytes"),
            above=settings.pending_bytes_alerting,
            hold_s=5 * MINUTE_S,
            keep_firing_s=10 * MINUTE_S,
            severity="warning",
            component="pipeline",
            summary=f"The server cannot keep up with {signal}.",
            description=(
                f"{{value}} of {signal} wait to be loaded into the store; more than {{limit}} for {{hold}} "
                "alerts. At MLOBS_PENDING_BYTES_MAX new data is refused. First: is the disk or the "
                "processor of the server busy with something else?"
            ),
        ),
    )


def _delivery() -> tuple[Rule, ...]:
    sink = slot(a.SINK)
    return (
        Rule(
            name="MlobsAlertDeliveryFailing",
            indicator=Increase(
                metric=m.ALERT_DELIVERIES,
                by=(a.SINK, a.OUTCOME),
                where=(Where(label=a.OUTCOME, values=("failed", "dead", "dropped")),),
                window_s=15 * MINUTE_S,
            ),
            above=2,
            hold_s=5 * MINUTE_S,
            keep_firing_s=15 * MINUTE_S,
            severity="critical",
            component="pipeline",
            summary=f"Alerts do not reach {sink}.",
            description=(
                f"About {{value}} deliveries to the sink {sink} ended as {slot(a.OUTCOME)} in the last "
                f"{{window}}; more than {{limit}} for {{hold}} alerts. Alerts that wait are tried again, "
                "dead ones are not. First: mlobs alerts deliveries"
            ),
        ),
        Rule(
            name="MlobsAlertWebhookRefused",
            indicator=Increase(metric=m.ALERT_REFUSED, by=(a.REASON,), window_s=15 * MINUTE_S),
            above=2,  # Who is refused for good comes again with the next interval of a group, and is again.
            keep_firing_s=15 * MINUTE_S,
            severity="critical",
            component="pipeline",
            summary="Alerts from elsewhere are refused.",
            description=(
                "About {value} webhooks with alerts were refused in the last {window}; more than {limit} "
                f"alerts. Reason: {slot(a.REASON)}. Alertmanager, Grafana or another server sent them, and "
                "drops what is refused for good: nobody is told of it. First: what does the sender's log say?"
            ),
        ),
        Rule(
            name="MlobsAlertRuleFailing",
            indicator=Increase(metric=m.ALERT_RULE_FAILURES, by=(a.RULE,), window_s=15 * MINUTE_S),
            above=2,
            hold_s=5 * MINUTE_S,
            keep_firing_s=15 * MINUTE_S,
            severity="critical",
            component="pipeline",
            summary=f"The server cannot evaluate the rule {slot(a.RULE)}.",
            description=(
                f"About {{value}} evaluations of {slot(a.RULE)} failed in the last {{window}}; more than "
                f"{{limit}} for {{hold}} alerts. Its alerts stay as they are, whatever happens. First: mlobs "
                "alerts list says why."
            ),
        ),
    )


def _refused(what: str, file: str, metric: Metric, former: str) -> Rule:
    """Return the rule about a file of one's own that cannot be used."""
    return Rule(
        name=f"MlobsAlert{what}Refused",
        indicator=Increase(metric=metric, by=(), window_s=15 * MINUTE_S),
        above=2,  # Whoever is writing it gets it wrong for a moment.
        hold_s=5 * MINUTE_S,
        severity="warning",
        component="pipeline",
        summary=f"The server cannot use {file}.",
        description=(
            f"About {{value}} times in the last {{window}} {file} was read and could not be used; more than "
            f"{{limit}} for {{hold}} alerts. The former {former} until it is mended; after a restart the "
            "server does not start. First: mlobs alerts list says what is wrong in it."
        ),
        runbook="MlobsAlertFileRefused",
    )
