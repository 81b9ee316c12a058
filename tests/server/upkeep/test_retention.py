"""Old days go whole; today's never go for their size."""

import time
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.semconv import metrics as m
from mlobs.server.upkeep.keeper import Keeper
from mlobs.server.upkeep.retention import KEPT_DAYS, Day, plan
from tests.server.otlp import post, span

TODAY = date(2026, 5, 20)
KEPT = {"traces": 30, "logs": 7, "metrics": 0}


def day(table: str, ago: int, size: int = 100) -> Day:
    then = TODAY - timedelta(days=ago)
    return Day(table, then.isoformat(), 1, size, then)


def gone(*held: Day, bytes_max: int = 0) -> dict[Day, str]:
    return dict(plan(held, TODAY, KEPT, bytes_max).drop)


@pytest.mark.parametrize(
    ("table", "ago", "goes"),
    [
        ("otel_traces", 30, False),
        ("otel_traces", 31, True),
        ("otel_logs", 8, True),
        ("scores", 8, True),
        ("otel_metrics_sum", 4_000, False),
    ],
)
def test_a_day_goes_when_its_signal_is_older_than_it_may_be(table, ago, goes):
    assert bool(gone(day(table, ago))) is goes


def test_rows_of_a_clock_that_is_not_believed_are_as_old_as_their_arrival():
    fresh = Day("otel_traces", "1970-01-01", 1, 100, TODAY - timedelta(days=30))
    old = Day("otel_traces", "1970-01-01", 1, 100, TODAY - timedelta(days=31))
    assert gone(fresh) == {}
    assert gone(old) == {old: "age"}


def test_the_oldest_days_go_until_the_rest_fits():
    held = [day("otel_traces", ago) for ago in range(6)]
    assert gone(*held, bytes_max=350) == {held[5]: "size", held[4]: "size", held[3]: "size"}


def test_a_limit_that_two_days_are_over_is_said_and_nothing_fresh_goes():
    held = [day("otel_traces", ago) for ago in range(6)]
    chosen = plan(held, TODAY, KEPT, 50)
    assert {one for one, _ in chosen.drop} == set(held[KEPT_DAYS:])
    assert chosen.bytes_too_many == KEPT_DAYS * 100 - 50


def test_a_day_that_goes_for_its_size_takes_with_it_what_was_added_up_of_its_spans():
    """And counts as large as all of that, so that no day too many goes."""
    tables = ("agents", "call_sums", "minutes", "otel_traces", "ten_minutes", "turns")
    held = [day(table, ago) for ago in range(2, 6) for table in tables]
    chosen = plan(held, TODAY, KEPT, 1_400)
    assert {one.date for one, _ in chosen.drop} == {TODAY - timedelta(days=ago) for ago in (4, 5)}
    assert [one.table for one, _ in chosen.drop[:: len(tables)]] == ["otel_traces"] * 2
    assert len(chosen.drop) == 2 * len(tables)


@given(
    st.lists(st.builds(day, st.sampled_from(["otel_traces", "otel_logs"]), st.integers(0, 60)), unique=True),
    st.integers(0, 3_000),
)
def test_what_stays_is_never_older_than_what_went_for_its_size(held, bytes_max):
    chosen = plan(held, TODAY, {}, bytes_max)
    went = [one for one, _ in chosen.drop]
    stays = [one for one in held if one not in went]
    if went and stays:
        assert max(one.date for one in went) <= min(one.date for one in stays)
    if bytes_max and not chosen.bytes_too_many:
        assert sum(one.bytes for one in stays) <= bytes_max


def test_a_keeper_drops_what_is_too_old_from_the_store(served):
    """Real partitions; the counts say what went."""
    request = ExportTraceServiceRequest()
    for days_ago in (0, 40, 41):
        made = span(request, "kept or not")
        made.start_time_unix_nano = time.time_ns() - days_ago * 86_400 * 10**9
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    spans = "SELECT count() AS n FROM otel_traces"
    counted, there = served.counts.value(m.SERVER_EXPIRED, "traces", "age"), served.store.query(spans)[0]["n"]
    Keeper(served.store, served.settings.model_copy(update={"traces_days": 35}), served.counts).keep()
    asked = "SELECT count() AS n FROM otel_traces WHERE SpanName = 'kept or not'"
    assert served.store.query(asked) == [{"n": 1}]
    # Each is a span that arrived: rows of the sums go too, and are not counted.
    went = there - served.store.query(spans)[0]["n"]
    assert served.counts.value(m.SERVER_EXPIRED, "traces", "age") == counted + went >= counted + 2
    assert served.counts.value(m.SERVER_STORED_BYTES, "traces") > 0
