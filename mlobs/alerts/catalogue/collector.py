"""What only Prometheus knows: the Collector's own metrics, Alertmanager's, and its own series.

The names are not ours. Collectors write counters with and without `_total`. They make a counter when there
is something to count: one that is new to Prometheus has grown by all it says, and increase() sees none of it.
"""

from collections.abc import Sequence

from mlobs.alerts.catalogue.common import MINUTE_S
from mlobs.alerts.indicators import Expression
from mlobs.alerts.rules import Rule, slot
from mlobs.semconv.rows import Attribute
from mlobs.thresholds import Thresholds

DATA_TYPE = Attribute("data_type", "string", "What an exporter's queue is for: traces, metrics or logs.")
EXPORTER = Attribute("exporter", "string", "An exporter of a collector.")
RECEIVER = Attribute("receiver", "string", "A receiver of a collector.")
INSTANCE = Attribute("instance", "string", "What Prometheus scrapes.")
JOB = Attribute("job", "string", "The group of what Prometheus scrapes.")
INTEGRATION = Attribute("integration", "string", "How Alertmanager tells somebody.")
FAMILY = Attribute("family", "string", "A metric of Prometheus.")
SIGNALS = ("spans", "metric_points", "log_records")
FAILED = tuple(
    f"otelcol_exporter_{step}_failed_{signal}" for step in ("enqueue", "send") for signal in SIGNALS
)
STUCK_S = 10 * MINUTE_S
UPTIME = '{__name__=~"otelcol_process_uptime.*"}'
REFUSED = tuple(f"otelcol_receiver_refused_{signal}" for signal in SIGNALS)
SENT = {
    f"otelcol_exporter_sent_{unit}": of
    for unit, of in zip(SIGNALS, ("traces", "metrics", "logs"), strict=True)
}
OURS = 'job=~"mlobs(-.+)?"'


def collector(settings: Thresholds) -> tuple[Rule, ...]:
    """Return the rules that only Prometheus can evaluate."""
    return (
        _down(),
        _dropping(),
        _refusing(),
        _stuck(),
        _queue(),
        _notifications(),
        _labels(settings),
    )


def _down() -> Rule:
    instance = slot(INSTANCE)
    return Rule(
        name="MlobsTargetDown",
        indicator=Expression(
            promql=f"max by (instance, job) (up{{{OURS}}} == bool 0)",
            by=(INSTANCE, JOB),
            window_s=0,
        ),
        above=0,
        hold_s=5 * MINUTE_S,
        severity="critical",
        component="pipeline",
        summary=f"{instance} does not answer Prometheus.",
        description=(
            f"Prometheus could not scrape {instance}, of the job {slot(JOB)}, for {{hold}}: it is down, "
            "nobody reaches it, or it wants another token. What is sent to it waits elsewhere, or is lost; "
            "and no other alert about it can fire, since what it says of itself is missing. First: does it "
            "run? Prometheus' page of targets says what its scrape ended with."
        ),
    )


def _dropping() -> Rule:
    exporter = slot(EXPORTER)
    return Rule(
        name="MlobsCollectorDropping",
        indicator=Expression(
            promql=_more(FAILED, "exporter, instance", 15 * MINUTE_S),
            by=(EXPORTER, INSTANCE),
            window_s=15 * MINUTE_S,
        ),
        above=0,
        keep_firing_s=10 * MINUTE_S,
        severity="critical",
        component="collector",
        summary=f"The collector {slot(INSTANCE)} loses telemetry.",
        description=(
            f"Its exporter {exporter} could not deliver about {{value}} records in the last {{window}}. "
            "Traces, counts and costs are too low by them. First: what does the collector's log say of "
            f"{exporter}, and does what it sends to answer?"
        ),
    )


def _refusing() -> Rule:
    return Rule(
        name="MlobsCollectorRefusing",
        indicator=Expression(
            promql=_more(REFUSED, "receiver, instance", 5 * MINUTE_S),
            by=(RECEIVER, INSTANCE),
            window_s=5 * MINUTE_S,
        ),
        above=0,
        hold_s=5 * MINUTE_S,
        keep_firing_s=10 * MINUTE_S,
        severity="warning",
        component="collector",
        summary=f"The collector {slot(INSTANCE)} turns telemetry away.",
        description=(
            f"Its receiver {slot(RECEIVER)} refused about {{value}} records in the last {{window}}, and has "
            f"been refusing for {{hold}}: its memory limit is reached, or what comes after it does not take "
            "more. Services try again and then lose it. First: is MlobsCollectorQueueFilling firing too?"
        ),
    )


def _stuck() -> Rule:
    by = "data_type, exporter, instance"
    within = f"{STUCK_S // MINUTE_S}m"
    size, kind = "otelcol_exporter_queue_size", slot(DATA_TYPE)
    sent = "\n  or\n".join(
        f'label_replace(increase({name}[{within}]) or increase({name}_total[{within}]), "data_type", "{of}", '
        '"", "")'
        for name, of in SENT.items()
    )
    return Rule(
        name="MlobsCollectorStuck",
        indicator=Expression(
            # A gateway has eight exporters of traces, and all of them wait for one sampler.
            promql=(
                f"max by (data_type, instance) (\nmax by ({by}) ({size})\n  /\n"
                f"max by ({by}) (otelcol_exporter_queue_capacity)\n"
                f"  and\nmax by ({by}) (min_over_time({size}[{within}])) > 0\n"
                # Of a queue that Prometheus has known for less, nobody can say what it sent.
                f"  and\nmax by ({by}) ({size} offset {within})\n"
                f"  unless\nsum by ({by}) (\n{sent}\n) > 0\n)"
            ),
            by=(DATA_TYPE, INSTANCE),
            window_s=STUCK_S,
            unit="ratio",
        ),
        above=0,
        hold_s=2 * MINUTE_S,
        keep_firing_s=5 * MINUTE_S,
        severity="critical",
        component="collector",
        summary=f"Some {kind} of the collector {slot(INSTANCE)} do not get on.",
        description=(
            f"One of its exporters or several have had {kind} waiting for {{window}} and have sent none. The "
            "fullest of their queues is {value} full; when it is full, more is refused, and lost unless who "
            "sends tries again. First: does what the collector sends to answer? Its log says what it tries "
            "again."
        ),
    )


def _queue() -> Rule:
    by = "exporter, instance"
    return Rule(
        name="MlobsCollectorQueueFilling",
        indicator=Expression(
            promql=(
                f"max by ({by}) (otelcol_exporter_queue_size)\n  /\nmax by ({by}) "
                "(otelcol_exporter_queue_capacity)"
            ),
            by=(EXPORTER, INSTANCE),
            window_s=5 * MINUTE_S,
            unit="ratio",
        ),
        above=0.8,
        hold_s=5 * MINUTE_S,
        keep_firing_s=10 * MINUTE_S,
        severity="warning",
        component="collector",
        summary=f"A queue of the collector {slot(INSTANCE)} fills up.",
        description=(
            f"The queue of its exporter {slot(EXPORTER)} is {{value}} full; more than {{limit}} for {{hold}} "
            f"alerts. When it is full, more is refused, and lost unless who sends tries again. First: does "
            f"what {slot(EXPORTER)} sends to answer, and how fast?"
        ),
    )


def _notifications() -> Rule:
    return Rule(
        name="MlobsNotificationsFailing",
        indicator=Expression(
            promql=(
                "sum by (integration) (increase(alertmanager_notifications_failed_total[15m]))\n  /\nsum by "
                "(integration) (increase(alertmanager_notifications_total[15m]))"
            ),
            by=(INTEGRATION,),
            window_s=15 * MINUTE_S,
            unit="ratio",
        ),
        above=0.05,
        hold_s=5 * MINUTE_S,
        keep_firing_s=15 * MINUTE_S,
        severity="critical",
        component="pipeline",
        summary=f"Alertmanager cannot tell anybody by {slot(INTEGRATION)}.",
        description=(
            f"{{value}} of its notifications by {slot(INTEGRATION)} failed in the last {{window}}; more than "
            f"{{limit}} for {{hold}} alerts. Alerts fire and nobody hears. First: what does Alertmanager's "
            "log say?"
        ),
    )


def _labels(settings: Thresholds) -> Rule:
    family = slot(FAMILY)
    counted = 'count by (__name__) ({__name__=~"(gen_ai|mlobs)_.+"})'
    return Rule(
        name="MlobsLabelExplosion",
        indicator=Expression(
            promql=f'sum by (family) (label_replace(\n  {counted},\n  "family", "$1", "__name__", "(.+)"\n))',
            by=(FAMILY,),
            window_s=5 * MINUTE_S,
        ),
        above=settings.series_max,
        hold_s=30 * MINUTE_S,
        severity="warning",
        component="pipeline",
        summary=f"{family} has too many series.",
        description=(
            f"Prometheus has {{value}} series of {family}; more than {{limit}} for {{hold}} alerts. Some "
            "label has a new value for each call: an id in the name of a model, agent or tool. Prometheus "
            f"slows down and then dies of it. First: topk(5, count by (service_name) ({family}))"
        ),
    )


def _more(names: Sequence[str], by: str, within_s: int) -> str:
    within = f"{within_s // MINUTE_S}m"
    # Growth has no name, so series of two names with the same labels would be one: Prometheus refuses that.
    parts = "\n  or\n".join(
        f"label_replace(increase({name}[{within}]) or increase({name}_total[{within}]), "
        f'"family", "{name}", "", "")'
        for name in names
    )
    return f"sum by ({by}) (\n{_new(names, within_s)}\n  or\n{parts}\n)"


def _new(names: Sequence[str], within_s: int) -> str:
    """Return the counters that are new because there was nothing to count before, or the collector is new.

    Those of a collector that Prometheus has not looked at for long may be old, and are left to increase().
    """
    within = f"{within_s // MINUTE_S}m"
    counters = f'{{__name__=~"({"|".join(names)})(_total)?"}}'
    now, before = (
        f'label_replace({counters}{offset}, "family", "$1", "__name__", "(.+?)(_total)?")'
        for offset in ("", f" offset {within}")
    )
    known = f"count by (instance) ({UPTIME} offset {within} or {UPTIME} < {within_s})"
    return f"(\n  {now}\n    unless\n  {before}\n)\n  and on (instance)\n{known}"
