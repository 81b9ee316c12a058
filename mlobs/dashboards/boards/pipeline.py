"""The way of telemetry: from the SDK through collectors into the store, and of alerts to people."""

from mlobs.dashboards.board import Board
from mlobs.dashboards.layout import Row
from mlobs.dashboards.links import of_series, onward
from mlobs.dashboards.panels import ANY, Bounds, Link, Query, alerting, bands, lines, stat, timeseries
from mlobs.dashboards.queries import (
    UNSEEN,
    any_of,
    current,
    equals,
    increase,
    largest,
    latest,
    legend,
    or_zero,
    part_of,
    peak,
    per_second,
    select,
    share,
    total,
)
from mlobs.semconv import attributes as a
from mlobs.semconv import foreign as f
from mlobs.semconv import loss
from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Attribute, Metric, Series
from mlobs.thresholds import Thresholds

SERVICE = a.SERVICE_NAME
SERVICES = Link("This service", of_series("models", SERVICE))


def lost_spans(*by: Attribute) -> str:
    """Return the share of spans that services could not deliver."""
    return part_of(per_second(m.SDK_DROPPED, *by), per_second(m.SDK_EXPORTED, *by))


def of_most(counter: Series, by: Attribute, said: str) -> Query:
    """Return how fast a counter of collectors grows, by one label of each collector."""
    return Query(largest(per_second(counter, f.INSTANCE, by)), f"{legend(f.INSTANCE)} {said} {legend(by)}")


def of_a_day(counter: Metric, *matchers: str) -> str:
    """Return what the server counted in a day, 0 where it was there and counted none."""
    there = increase(m.SERVER_LOADED, window="1d")
    return or_zero(increase(counter, window="1d", matchers=matchers), there)


def gone(reason: str) -> str:
    """Return how fast the server drops rows for a reason, 0 where it is there and drops none."""
    dropped = per_second(m.SERVER_EXPIRED, matchers=[equals(a.REASON, reason)])
    return or_zero(dropped, per_second(m.SERVER_LOADED))


# What one collector sends is another's intake, so they are never added up: each is looked at for itself.
SENT = per_second(f.COLLECTOR_SENT_SPANS, f.INSTANCE)
GIVEN_UP = any_of(
    per_second(lost, f.INSTANCE) for lost in (f.COLLECTOR_FAILED_SPANS, f.COLLECTOR_UNQUEUED_SPANS)
)
# Of one queue first: exporters of one name have queues of other sizes elsewhere, and for other signals.
FULL = f"{select(f.COLLECTOR_QUEUE)} / {select(f.COLLECTOR_QUEUE_MAX)}"


def numbers(limits: Thresholds) -> Row:
    """Return the first screen."""
    return Row(
        "",
        [
            stat(
                "Lost in services",
                [Query(lost_spans(), "of spans")],
                unit="percentunit",
                meaning="Share of spans that SDKs dropped. Up is bad: traces have holes, counts are too low.",
                bounds=ANY,
                link=Link("Services", onward("overview")),
            ),
            stat(
                "Lost in collectors",
                [Query(peak(part_of(GIVEN_UP, SENT)), "of spans")],
                unit="percentunit",
                meaning="Share of the spans it had to send that a collector gave up, of the one that is "
                f"worst off. {UNSEEN}",
                nothing="no collector scraped",
                bounds=ANY,
                link=Link("Services", onward("overview")),
            ),
            stat(
                "Refused by the server",
                [Query(part_of(per_second(m.SERVER_REFUSED), per_second(m.SERVER_RECEIVED)), "of requests")],
                unit="percentunit",
                meaning="Share of requests turned away. Senders try again, or lose it; the reason is below.",
                bounds=alerting(limits.error_ratio_max),
                link=Link("Objectives and alerts", onward("slo")),
            ),
            stat(
                "Waiting for the store",
                [Query(total(latest(m.SERVER_PENDING_BYTES, a.SIGNAL)), "bytes")],
                unit="bytes",
                meaning="Safe on disk and not yet found by questions. Growing without end means a slow "
                "store.",
                bounds=Bounds(orange=limits.pending_bytes_alerting // 2, red=limits.pending_bytes_alerting),
                link=Link("Objectives and alerts", onward("slo")),
            ),
            stat(
                "Set aside",
                [Query(of_a_day(m.SERVER_SET_ASIDE), "segments")],
                unit="short",
                meaning="Journal segments of the last day that could not be loaded; their spans cannot be "
                "found.",
                bounds=Bounds(red=1),
                link=Link("Objectives and alerts", onward("slo")),
            ),
            stat(
                "Alerts nobody got",
                [
                    Query(
                        of_a_day(m.ALERT_DELIVERIES, f'{a.OUTCOME.label}=~"dead|dropped"'),
                        "deliveries",
                    )
                ],
                unit="short",
                meaning="Messages of the last day that were given up. mlobs alerts redrive tells them again.",
                bounds=Bounds(red=1),
                link=Link("Objectives and alerts", onward("slo")),
            ),
        ],
        width=4,
        height=5,
    )


SDK = Row(
    "Services",
    [
        timeseries(
            "Spans delivered",
            [bands(per_second(m.SDK_EXPORTED, SERVICE), SERVICE)],
            unit="count:spans/s",
            stacked=True,
            meaning="Spans that the services' exporters saw acknowledged. A fall means silence or loss.",
            link=SERVICES,
        ),
        timeseries(
            "Lost in services by reason",
            [
                Query(
                    largest(per_second(m.SDK_DROPPED, SERVICE, a.SDK_DROPPED)),
                    f"spans {legend(SERVICE, a.SDK_DROPPED)}",
                ),
                Query(
                    largest(per_second(m.DRIFT_DROPPED, SERVICE, a.SDK_DROPPED)),
                    f"rows {legend(SERVICE, a.SDK_DROPPED)}",
                ),
            ],
            unit="count:events/s",
            meaning="Up is bad: traces have holes, or monitors see less. The reason says what was short.",
            link=SERVICES,
        ),
        timeseries(
            "Share of spans lost by service",
            [lines(lost_spans(SERVICE), SERVICE)],
            unit="percentunit",
            meaning="For whom, and since when. A burst that is over is a queue that is too short for it.",
            soft=0.05,
            link=SERVICES,
        ),
        timeseries(
            "Spans that wait in services",
            [lines(latest(loss.SDK_WAITING, SERVICE), SERVICE)],
            unit="short",
            meaning="In memory: made and not delivered yet. Growing without end: nothing takes them.",
            link=SERVICES,
        ),
        timeseries(
            "Spans through services' disks",
            [
                Query(largest(per_second(loss.SDK_SPOOLED, SERVICE)), f"put there, {legend(SERVICE)}"),
                Query(largest(per_second(loss.SDK_UNSPOOLED, SERVICE)), f"brought, {legend(SERVICE)}"),
            ],
            unit="count:spans/s",
            meaning="With MLOBS_SPOOL, what nothing takes goes to the disk and is brought later.",
            link=SERVICES,
        ),
        timeseries(
            "Metric points and log records",
            [
                Query(per_second(loss.SDK_RECORDS_MADE, a.SIGNAL), f"made, {legend(a.SIGNAL)}"),
                Query(per_second(loss.SDK_RECORDS_EXPORTED, a.SIGNAL), f"delivered, {legend(a.SIGNAL)}"),
                Query(
                    per_second(loss.SDK_RECORDS_DROPPED, a.SIGNAL, a.SDK_DROPPED),
                    f"lost, {legend(a.SIGNAL, a.SDK_DROPPED)}",
                ),
            ],
            unit="count:records/s",
            meaning="What services made besides spans, and what became of it.",
        ),
        timeseries(
            "From services to the tables",
            [
                Query(per_second(loss.SDK_MADE), "spans made"),
                Query(
                    per_second(loss.SERVER_ITEMS_TAKEN, a.SIGNAL), f"taken by the server, {legend(a.SIGNAL)}"
                ),
                Query(
                    per_second(loss.SERVER_ITEMS_SETTLED, a.SIGNAL, a.FATE),
                    f"{legend(a.FATE)}, {legend(a.SIGNAL)}",
                ),
            ],
            unit="count:records/s",
            meaning="A gap between made and taken is sampling, a queue or a loss: mlobs doctor --loss tells.",
        ),
    ],
)
COLLECTOR = Row(
    "Collectors",
    [
        timeseries(
            "Collectors: spans",
            [
                of_most(f.COLLECTOR_ACCEPTED_SPANS, f.RECEIVER, "took in by"),
                of_most(f.COLLECTOR_SENT_SPANS, f.EXPORTER, "sent by"),
            ],
            unit="count:spans/s",
            meaning="Of each collector: what goes in comes out, less what sampling leaves. Sent below taken "
            "in fills a queue.",
        ),
        timeseries(
            "Collectors: lost and refused",
            [
                of_most(f.COLLECTOR_REFUSED_SPANS, f.RECEIVER, "refused what came by"),
                of_most(f.COLLECTOR_FAILED_SPANS, f.EXPORTER, "gave up what went by"),
                of_most(f.COLLECTOR_UNQUEUED_SPANS, f.EXPORTER, "had no room for"),
            ],
            unit="count:spans/s",
            meaning=f"Refused comes again, given up does not. {UNSEEN}",
        ),
        timeseries(
            "Collectors: queues",
            [lines(peak(FULL, [f.INSTANCE, f.EXPORTER]), f.INSTANCE, f.EXPORTER)],
            unit="percentunit",
            meaning="How full each collector's fullest queue is. At 100% telemetry is lost: what comes after "
            "does not answer, or not fast enough.",
            highest=1,
        ),
        timeseries(
            "Collectors: memory",
            [lines(latest(f.COLLECTOR_MEMORY, f.INSTANCE), f.INSTANCE)],
            unit="bytes",
            meaning="At its limit a collector refuses what comes.",
        ),
    ],
    width=6,
    collapsed=True,
)
SERVER = Row(
    "Server",
    [
        timeseries(
            "Requests stored",
            [Query(per_second(m.SERVER_RECEIVED, a.SIGNAL), legend(a.SIGNAL))],
            unit="reqps",
            meaning="OTLP requests on disk before they were acknowledged. A fall to 0 means nothing arrives.",
        ),
        timeseries(
            "Requests refused",
            [lines(per_second(m.SERVER_REFUSED, a.SIGNAL, a.REASON), a.SIGNAL, a.REASON)],
            unit="reqps",
            meaning="Up is bad: senders lose data, or send something that is not OTLP.",
            nothing="none ever",
        ),
        timeseries(
            "Bytes stored",
            [Query(per_second(m.SERVER_RECEIVED_BYTES, a.SIGNAL), legend(a.SIGNAL))],
            unit="Bps",
            stacked=True,
            meaning="What the disk has to keep up with.",
        ),
        timeseries(
            "Bytes not yet in the store",
            [Query(latest(m.SERVER_PENDING_BYTES, a.SIGNAL), legend(a.SIGNAL))],
            unit="bytes",
            meaning="Safe on disk, not yet found by questions. Growing without end means a slow store.",
        ),
        timeseries(
            "Segments",
            [
                Query(per_second(m.SERVER_LOADED), "loaded"),
                Query(or_zero(per_second(m.SERVER_SET_ASIDE), per_second(m.SERVER_LOADED)), "set aside"),
            ],
            unit="count:segments/s",
            meaning="Journal segments handed to the store. Set aside is bad: their spans cannot be found.",
        ),
        timeseries(
            "Bytes in the store",
            [Query(latest(m.SERVER_STORED_BYTES, a.SIGNAL), legend(a.SIGNAL))],
            unit="bytes",
            stacked=True,
            meaning="What the tables take on the disk. Growing without end wants MLOBS_STORE_BYTES_MAX.",
        ),
        timeseries(
            "Rows that went",
            [Query(gone("age"), "for age"), Query(gone("size"), "for size")],
            unit="count:rows/s",
            meaning="For age, as was asked for; for size, fewer days are there than you may think.",
        ),
    ],
    width=6,
)
ALERTING = Row(
    "Alerts",
    [
        timeseries(
            "Alerting",
            [
                Query(per_second(m.ALERT_DELIVERIES, a.OUTCOME), legend(a.OUTCOME)),
                Query(per_second(m.ALERT_RULE_FAILURES), "rule not evaluated"),
                Query(per_second(m.ALERT_RULES_REFUSED), "file of rules refused"),
                Query(per_second(m.ALERT_ROUTES_REFUSED), "file of routes refused"),
                Query(per_second(m.ALERT_RECEIVED, a.OUTCOME), f"received, {legend(a.OUTCOME)}"),
                Query(per_second(m.ALERT_REFUSED, a.REASON), f"webhook refused, {legend(a.REASON)}"),
            ],
            unit="count:events/s",
            meaning="Deliveries, webhooks from elsewhere, and rules that could not be evaluated. Failed ones "
            "are alerts nobody gets.",
        ),
        timeseries(
            "Waiting alerts",
            [
                Query(largest(latest(m.ALERT_WAITING, a.SINK)), f"waiting for {legend(a.SINK)}"),
                Query(largest(latest(m.ALERT_SINK_OPEN, a.SINK)), f"left alone: {legend(a.SINK)}"),
            ],
            unit="short",
            meaning="Messages that a sink has not taken yet, and 1 where it fails so often that it rests.",
        ),
        timeseries(
            "Alertmanager: failed notifications",
            [
                lines(
                    share(
                        per_second(f.NOTIFICATIONS_FAILED, f.INTEGRATION),
                        per_second(f.NOTIFICATIONS, f.INTEGRATION),
                    ),
                    f.INTEGRATION,
                )
            ],
            unit="percentunit",
            meaning="Share of attempts to tell somebody. No data: it told nobody, or is not scraped.",
            soft=0.05,
        ),
    ],
)
PROMETHEUS = Row(
    "Prometheus",
    [
        timeseries(
            "Scrapes that fail",
            [lines(f"1 - {select(f.UP)}", f.JOB, f.INSTANCE)],
            unit="short",
            highest=1,
            meaning="1 where the last scrape failed: everything from there is missing since.",
        ),
        timeseries(
            "Samples by job",
            [bands(current(f.SCRAPED, f.JOB), f.JOB)],
            unit="short",
            stacked=True,
            meaning="Samples of a scrape. A step up is a label with too many values.",
        ),
        timeseries(
            "Series in memory",
            [Query(latest(f.HEAD_SERIES), "series")],
            unit="short",
            meaning="What Prometheus carries. Growing without end it dies of it.",
        ),
        timeseries(
            "Rules and alerts that failed",
            [
                Query(per_second(f.RULE_FAILURES), "rules not evaluated"),
                Query(per_second(f.ALERTS_DROPPED), "alerts that reached no Alertmanager"),
            ],
            unit="count:events/s",
            meaning="Not 0: alerts do not fire, or nobody hears them.",
        ),
    ],
    width=6,
)


def board(limits: Thresholds) -> Board:
    """Return the dashboard, with the colours of the alerts in the settings."""
    return Board(
        "mlobs-pipeline",
        "mlobs: telemetry pipeline",
        "Does what services tell arrive, where is it lost, and do alerts reach anybody.",
        [numbers(limits), SDK, COLLECTOR, SERVER, ALERTING, PROMETHEUS],
    )
