"""Rates are over the time that has data."""

import time

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.server.pages.beginning import HOUR_NS, basis, begun, earliest_ns, hours, shortest
from mlobs.server.pages.period import MINUTE_NS, read_period
from tests.server.otlp import post, span

NOW_NS = 1_800_000_000 * 10**9


@pytest.mark.parametrize(
    ("first_ns", "expected"),
    [
        (None, 24),  # Nothing came: nothing is divided.
        (NOW_NS - 30 * HOUR_NS, 24),  # A quiet beginning is a part of the range all the same.
        (NOW_NS - 2 * HOUR_NS, 2),
        (NOW_NS - 1, 1 / 60),  # Minutes are the shortest that is counted.
    ],
)
def test_what_lies_before_the_first_span_is_not_counted(first_ns, expected):
    assert hours(read_period({"since": "24h"}, NOW_NS), first_ns) == pytest.approx(expected)


def test_a_range_shorter_than_a_minute_stays_as_long_as_it_is():
    period = read_period({"since": "30s"}, NOW_NS)
    assert hours(period, NOW_NS - 1) == pytest.approx(period.hours)


def test_the_first_span_is_that_of_the_service(served):
    request = ExportTraceServiceRequest()
    span(request, "first of all", mlobs__kind="agent")
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    first = earliest_ns(served.store, "tests")
    assert first is not None
    assert first % MINUTE_NS == 0
    assert first <= time.time_ns()
    assert earliest_ns(served.store) <= first
    assert earliest_ns(served.store, "a service that never sent") is None


@pytest.mark.parametrize(
    ("age_ns", "expected"),
    [(0, "15m"), (15 * MINUTE_NS, "15m"), (2 * HOUR_NS, "6h"), (24 * HOUR_NS, "24h"), (900 * HOUR_NS, "24h")],
)
def test_a_new_store_is_shown_by_the_shortest_range_that_holds_it(age_ns, expected):
    assert shortest(NOW_NS - age_ns, NOW_NS) == expected


@pytest.mark.parametrize("hours_of_data", [1.0, 24.0])
def test_a_rate_from_an_hour_or_more_needs_no_word(hours_of_data):
    assert basis(hours_of_data) == ""


def test_a_range_that_an_address_names_is_kept(served):
    now_ns = time.time_ns()
    assert begun(served.store, {"since": "7d"}, now_ns).preset == "7d"
    assert begun(served.store, {"from": "2026-01-01"}, now_ns).preset == ""
    assert begun(served.store, {}, now_ns).preset == shortest(earliest_ns(served.store), now_ns)
