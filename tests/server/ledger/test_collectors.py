"""What the pages of the built collector say, read as it wrote them (shortened)."""

import pytest

from mlobs.errors import DataError
from mlobs.server.ledger.account import MISSING, account
from mlobs.server.ledger.collectors import entries_of, hop_of
from mlobs.server.ledger.samples import Sample, read_samples

GATEWAY = """\
# HELP otelcol_receiver_accepted_spans Number of spans successfully pushed into the pipeline. [Alpha]
# TYPE otelcol_receiver_accepted_spans counter
otelcol_receiver_accepted_spans{receiver="otlp",transport="http"} 247
otelcol_receiver_accepted_metric_points_total{receiver="otlp",transport="http"} 2
otelcol_receiver_refused_spans{receiver="otlp",transport="http"} 12
otelcol_exporter_queue_capacity{data_type="traces",exporter="load_balancing/0"} 1.073741824e+09
otelcol_exporter_queue_capacity{data_type="traces",exporter="load_balancing/1"} 1.073741824e+09
otelcol_exporter_queue_capacity{data_type="metrics",exporter="otlp_http/mlobs"} 1.073741824e+09
otelcol_exporter_queue_capacity{data_type="logs",exporter="otlp_http/mlobs"} 1.073741824e+09
otelcol_exporter_queue_size{data_type="traces",exporter="load_balancing/1"} 5120
otelcol_exporter_queue_size{data_type="metrics",exporter="otlp_http/mlobs"} 0
otelcol_exporter_sent_spans{exporter="load_balancing/0"} 120
otelcol_exporter_sent_spans{exporter="load_balancing/1"} 80
otelcol_exporter_send_failed_spans{exporter="load_balancing/1",error_type="Unavailable"} 7
otelcol_exporter_send_failed_spans{exporter="load_balancing/1",error_type="Shutdown"} 3
otelcol_exporter_sent_metric_points{exporter="prometheus/derived"} 123
otelcol_exporter_sent_metric_points{exporter="otlp_http/mlobs",url_path="/v1/metrics"} 2
otelcol_processor_filter_spans_filtered{filter="filter/measured"} 40
otelcol_processor_filter_spans_filtered{filter="filter/health"} 5
otelcol_processor_filter_spans_filtered{filter="filter/part-0"} 99
otelcol_process_uptime 9.5
"""
SAMPLER = """\
otelcol_receiver_accepted_spans{receiver="otlp",transport="grpc"} 247
otelcol_exporter_queue_capacity{data_type="traces",exporter="otlp_http/mlobs"} 1e+09
otelcol_exporter_queue_size{data_type="traces",exporter="otlp_http/mlobs"} 0
otelcol_exporter_sent_spans{exporter="otlp_http/mlobs"} 140
otelcol_exporter_enqueue_failed_spans{exporter="otlp_http/mlobs"} 10
otelcol_processor_incoming_items{otel_signal="traces",processor="memory_limiter"} 247
otelcol_processor_incoming_items{otel_signal="traces",processor="transform/kept"} 150
otelcol_processor_tail_sampling_global_count_traces_sampled{decision="not_sampled",sampled="false"} 17
otelcol_processor_tail_sampling_global_count_traces_sampled{decision="sampled",sampled="true"} 30
otelcol_processor_tail_sampling_new_trace_id_received 47
otelcol_processor_tail_sampling_sampling_trace_removal_age_count 47
otelcol_processor_tail_sampling_sampling_trace_dropped_too_early 2
"""


def entry(text, signal="traces", hop="gateway"):
    [found] = [
        one for one in entries_of(read_samples(text), "there", hop=hop, now_s=100.0) if one.signal == signal
    ]
    return found


def test_a_gateway_s_page_is_read():
    """What was taken, sent, given up and filtered; not what is done with copies."""
    found = entry(GATEWAY)
    assert (found.came, found.way.sent, found.began_s, found.samples) == (247, 200, 90.5, False)
    assert found.way.dropped == {"load_balancing/1 gave up (Unavailable)": 7}
    assert found.filtered == {"filter/health": 5}
    assert found.refused == {"the collector took no more": 12}
    assert (found.way.holds, found.way.bytes) == (True, 5120)
    metrics = entry(GATEWAY, "metrics")
    assert (metrics.came, metrics.way.sent, list(metrics.ways)) == (2, 2, ["otlp_http/mlobs"])
    assert entry(GATEWAY, "logs").came == 0


def test_a_sampler_s_page_says_what_was_kept_left_out_and_lost():
    """Behind the sampler a full queue is a loss: nobody is left who could send again."""
    found = entry(SAMPLER, hop="sampler")
    assert (found.kept, found.left_out, found.undecided) == (150, 17 + 2, 0)
    assert found.way.dropped == {"the queue of otlp_http/mlobs was full": 10}
    added = account([found], whole=True)
    assert added.missing == 0
    [line] = added.lines
    assert (line.sampled_out, line.sent, line.waiting) == (97, 140, 0)
    assert "2 traces were dropped before they were judged" in added.findings[0].says
    assert added.lost


def test_spans_that_a_sampler_kept_and_did_not_send_are_missing():
    """With an empty queue, nothing else explains them."""
    broken = SAMPLER.replace('exporter="otlp_http/mlobs"} 140', 'exporter="otlp_http/mlobs"} 100')
    found = account([entry(broken, hop="sampler")], whole=True)
    assert [(one.where, one.count) for one in found.findings if one.kind == MISSING] == [("there", 40)]


@pytest.mark.parametrize(
    ("text", "hop"), [(GATEWAY, "gateway"), (SAMPLER, "sampler"), ("otelcol_a 1", "sidecar")]
)
def test_a_collector_is_known_by_what_it_has(text, hop):
    """For who scrapes them without a label that says it."""
    assert hop_of(read_samples(text)) == hop


def test_labels_may_have_commas_braces_and_quotes():
    """They are attacker's input as soon as somebody adds a name of a user's."""
    [found] = read_samples('a_total{b="x, y",c="}\\"z\\\\\\n"} 1 1700000000000')
    assert found == Sample("a", {"b": "x, y", "c": '}"z\\\n'}, 1)


def test_what_is_no_page_of_metrics_is_refused_with_its_beginning():
    """A page of HTML answers 200 as well."""
    with pytest.raises(DataError, match="'<html>' came; a page of metrics"):
        read_samples("<html>")


def test_an_exemplar_is_not_the_value_and_a_label_may_hold_what_else_ends_lines():
    lines = (
        'one_total{a="x}"} 7 # {trace_id="4bf9"} 0.5 1.7e9',
        'two{a="b\u2028c",d="\\"}"} 3 179',
        "three 4 17.5\r\n",
    )
    assert read_samples("\n".join(lines)) == [
        Sample("one", {"a": "x}"}, 7.0),
        Sample("two", {"a": "b\u2028c", "d": '"}'}, 3.0),
        Sample("three", {}, 4.0),
    ]
