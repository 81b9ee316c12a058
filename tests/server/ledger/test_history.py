"""What Prometheus remembers, as it answers."""

from dataclasses import replace

from mlobs.semconv import loss
from mlobs.semconv import metrics as m
from mlobs.server.ledger.account import MOVING, RESTART, UNKNOWN, account
from mlobs.server.ledger.history import of_matrix

START = 1_700_000_000


def series(name, values, instance="sidecar:8888", begins=0, **labels):
    """Return a series with a sample every 15 s."""
    points = [[START + 15 * (begins + number), str(value)] for number, value in enumerate(values)]
    return {"metric": {"__name__": name, "job": "c", "instance": instance, **labels}, "values": points}


def sidecar(accepted, sent, uptime, queue=(0,), **more):
    otlp, exporter = {"receiver": "otlp", **more}, {"exporter": "otlp_http", **more}
    return [
        series("otelcol_process_uptime_seconds_total", uptime, **more),
        series("otelcol_receiver_accepted_spans_total", accepted, **otlp),
        series("otelcol_exporter_sent_spans_total", sent, **exporter),
        series("otelcol_exporter_queue_size", queue * len(sent), data_type="traces", **exporter),
        series("otelcol_exporter_queue_capacity", (9,) * len(sent), data_type="traces", **exporter),
    ]


def test_a_counter_s_growth_is_what_its_samples_add_up_to():
    """Not what it is: the window may begin long after the process."""
    [found] = of_matrix(sidecar([1000, 1010, 1030, 1030], [900, 910, 930, 930], [50, 65, 80, 95]))
    assert (found.hop, found.came, found.way.sent, found.complete) == ("sidecar", 30, 30, True)
    assert found.blur == 10
    assert account([found], whole=True).missing == 0


def test_a_counter_that_goes_back_began_anew_and_its_hop_is_not_complete():
    """What it counted between its last sample and the crash, nobody knows."""
    [found] = of_matrix(sidecar([100, 150, 20, 40], [100, 140, 20, 40], [50, 65, 5, 20]))
    assert (found.came, found.way.sent, found.complete) == (50 + 20 + 20, 40 + 20 + 20, False)


def test_what_a_hop_lost_in_a_restart_is_told_by_its_own_counts():
    """Its queue was on a disk that was full: 746 that it acknowledged never came back."""
    held = sidecar([0, 9000, 9746, 0, 0], [0, 9000, 9000, 0, 0], [5, 20, 35, 5, 20])
    [found] = account(of_matrix(held), whole=True).findings[:1]
    assert (found.kind, found.where, found.count) == (MOVING, "sidecar sidecar:8888", 746)
    held = sidecar([0, 0, 9000, 9746, 0, 0, 0], [0, 0, 9000, 9000, 0, 0, 0], [5, 20, 35, 50, 5, 20, 35])
    [found] = account(of_matrix(held), whole=True).findings[:1]
    assert (found.kind, found.where, found.count) == (UNKNOWN, "sidecar sidecar:8888", 746)


def test_what_the_queue_of_a_killed_process_held_is_not_said_to_wait_for_ever():
    """Where the instance's id is a label, its last words stay beside those of the next process."""
    full = sidecar([0, 0, 746], [0, 0, 0], [5, 20, 35], queue=(9,), service_instance_id="1")
    anew = sidecar([0, 0, 0], [0, 0, 0], [5, 20, 35], begins=3, service_instance_id="2")
    held = [*full, *anew]
    [found] = account(of_matrix(held), whole=True).findings[:1]
    assert (found.kind, found.count) == (UNKNOWN, 746)


def test_what_a_sampler_had_in_memory_before_a_restart_is_told():
    """Its counts of what it left out hold them too."""
    hop = {"instance": "sampler:8890", "collector": "sampler"}
    held = [
        series("otelcol_process_uptime_seconds_total", [50, 65, 5, 20], **hop),
        series("otelcol_receiver_accepted_spans_total", [0, 100, 0, 50], receiver="otlp", **hop),
        series("otelcol_processor_tail_sampling_sampling_traces_on_memory", [0, 7, 0, 3], **hop),
        series(
            "otelcol_processor_tail_sampling_global_count_traces_sampled",
            [0, 9, 0, 4],
            sampled="false",
            **hop,
        ),
    ]
    [told] = [one for one in account(of_matrix(held), whole=True).findings if one.kind == RESTART]
    assert told.says.startswith(
        "sampler sampler:8890: 7 traces were in its memory when it was last read before"
    )
    assert not [one for one in of_matrix(held[2:]) if one.unjudged]


def test_a_counter_that_appears_later_than_its_target_began_at_nought():
    """Collectors show a counter from its first count on."""
    held = sidecar([100, 110, 120], [100, 105, 110], [50, 65, 80])
    failed = series(
        "otelcol_exporter_send_failed_spans_total",
        [10, 10],
        begins=1,
        exporter="otlp_http",
        error_type="_OTHER",
    )
    [found] = of_matrix([*held, failed])
    assert found.way.dropped == {"otlp_http gave up": 10}
    assert account([found], whole=True).missing == 0


def test_the_server_s_page_tells_of_programs_and_itself():
    """As /metrics has it: programs added up by service, the server by origin and fate."""
    shop = {"instance": "server:4318", "service_name": "shop"}
    own = {"instance": "server:4318", "mlobs_signal": "traces"}
    taken, settled = loss.SERVER_ITEMS_TAKEN.prometheus, loss.SERVER_ITEMS_SETTLED.prometheus
    rows = [
        series(loss.SDK_MADE.prometheus, [0, 100, 100], **shop),
        series(m.SDK_EXPORTED.prometheus, [0, 80, 80], **shop),
        series(m.SDK_DROPPED.prometheus, [20, 20], begins=1, mlobs_dropped_reason="x", **shop),
        series(loss.SDK_WAITING.prometheus, [0, 0, 0], **shop),
        series(taken, [0, 80, 80], mlobs_origin="received", **own),
        series(settled, [0, 30, 80], mlobs_fate="stored", **own),
    ]
    found = account(of_matrix(rows), whole=True)
    programs, server = (one for one in found.lines if one.signal == "traces")
    assert (programs.came, programs.sent, programs.dropped) == (100, 80, {"x": 20})
    assert (server.came, server.sent) == (80, 80)
    assert found.missing == 0


def test_what_waited_when_the_window_begins_is_no_gift():
    """Spans that a program had in memory then are sent later, beside those it made since."""
    shop = {"instance": "server:4318", "service_name": "shop"}
    rows = [
        series(loss.SDK_MADE.prometheus, [500, 540], **shop),
        series(m.SDK_EXPORTED.prometheus, [470, 535], **shop),
        series(loss.SDK_WAITING.prometheus, [30, 0], **shop),
    ]
    [programs] = [one for one in of_matrix(rows) if (one.hop, one.signal) == ("programs", "traces")]
    assert (programs.came, programs.before, programs.way.sent) == (40, 30, 65)
    [line] = [one for one in account([replace(programs, blur=0)], whole=True).lines if one.hop == "programs"]
    assert line.missing == 5
