"""Segments the engine would refuse, and how much of a segment it takes at once."""

import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.semconv import metrics as m
from mlobs.server.counts import Counts
from mlobs.server.engine import EngineError
from mlobs.server.framing import frame
from mlobs.server.loader import Loader
from mlobs.server.splitting import finish_splits, first_table, split
from mlobs.server.staging import LoadError, Stage
from tests.server.otlp import post, span, wait_until

SPANS_IN_A_BLOCK = 70_000  # More than the engine's own block, 65,409 rows.


def field(number: int, data: bytes) -> bytes:
    """Return a length-delimited field of a short message."""
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def count(server, name: str) -> int:
    server.drain()
    asked = "SELECT count() AS found FROM otel_traces WHERE SpanName = {name:String}"
    found: int = server.store.query(asked, {"name": name})[0]["found"]
    return found


@pytest.mark.slow
def test_a_field_of_the_wrong_kind_costs_nobody_a_span(served):
    """Python's parser passes over it, the engine's refuses the file: others' spans are in there."""
    request = ExportTraceServiceRequest()
    span(request, "beside the odd one")
    # resource_spans.scope_spans.spans.name, which is text, as a number
    odd = field(1, field(2, field(2, field(1, b"t" * 16) + bytes([5 << 3, 7]))))
    loaded = served.counts.value(m.SERVER_LOADED, "traces")
    set_aside = served.counts.value(m.SERVER_SET_ASIDE, "traces")
    assert post(served.url, odd).status_code == 200
    assert post(served.url, request.SerializeToString()).status_code == 200
    assert count(served, "beside the odd one") == 1
    assert served.counts.value(m.SERVER_LOADED, "traces") > loaded
    assert served.counts.value(m.SERVER_SET_ASIDE, "traces") == set_aside
    assert served.failures() == {}


@pytest.mark.parametrize(
    ("times", "cost"),
    [
        ((0, 2**64 - 1), 0.5), ((2**63 - 1, 2**63 - 1), 0.5), ((1, 2**63 - 1), 0.5), ((2**64 - 1, 0), 0.5),
        (None, -math.inf), (None, -1e308), (None, math.inf), (None, math.nan), (None, 1e308),
    ],
)  # fmt: skip
def test_no_moment_and_no_price_costs_others_a_span(served, times, cost):
    """What a view cannot add up would leave a whole segment, of whomever, out of all sums."""
    name = f"beside {os.urandom(4).hex()}"
    request = ExportTraceServiceRequest()
    call = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "m"}
    made = span(request, "odd", **call, mlobs__cost__usd=cost)
    if times is not None:
        made.start_time_unix_nano, made.end_time_unix_nano = times
    made = span(request, name, **call, mlobs__cost__usd=0.5)
    set_aside = served.counts.value(m.SERVER_SET_ASIDE, "traces")
    assert post(served.url, request.SerializeToString()).status_code == 200
    assert count(served, name) == 1
    assert served.counts.value(m.SERVER_SET_ASIDE, "traces") == set_aside
    summed = "SELECT count() AS found FROM turns WHERE TraceId = {trace:String}"
    assert served.store.query(summed, {"trace": made.trace_id.hex()})[0]["found"] == 1
    longest = served.store.query("SELECT max(Duration) AS longest FROM otel_traces")[0]["longest"]
    assert longest <= 315_576_000 * 10**9


def test_a_segment_is_stored_whole_or_not_at_all(served, tmp_path):
    """Were it several blocks, a repeated segment could not be told from a new one in the middle."""
    request = ExportTraceServiceRequest()
    template = span(request, "one block")
    spans = request.resource_spans[0].scope_spans[0].spans
    for _ in range(999):
        spans.add().CopyFrom(template)
    body = frame(request.SerializeToString())
    segment = tmp_path / "traces-00000000000000000001.sealed"
    segment.write_bytes(body * (SPANS_IN_A_BLOCK // 1000))
    stage = staged(served, "traces")
    for _ in range(2):
        stage.load(segment)
        assert count(served, "one block") == SPANS_IN_A_BLOCK
    parts = served.store.query(
        "SELECT max(rows) AS largest FROM system.parts WHERE table = 'otel_traces' AND level = 0"
    )
    assert parts[0]["largest"] >= SPANS_IN_A_BLOCK


def staged(served, signal: str) -> Stage:
    return Stage(served.store.connection(), signal, nullcontext(), text_bytes_max=1 << 20)


@pytest.mark.parametrize("field_name", ["kind", "status"])
def test_a_negative_enum_is_a_span_like_others(served, field_name):
    """The generated classes let every program send one."""
    request = ExportTraceServiceRequest()
    made = span(request, f"negative {field_name}")
    if field_name == "kind":
        made.kind = -1
    else:
        made.status.code = -1
    set_aside = served.counts.value(m.SERVER_SET_ASIDE, "traces")
    assert post(served.url, request.SerializeToString()).status_code == 200
    assert count(served, f"negative {field_name}") == 1
    assert served.counts.value(m.SERVER_SET_ASIDE, "traces") == set_aside


def test_a_negative_severity_is_a_log_like_others(served):
    """It is stored as no severity, which has the number 0."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add(event_name="negative")
    record.severity_number = -1
    assert post(served.url, request.SerializeToString(), "logs").status_code == 200
    served.drain()
    found = served.store.query("SELECT SeverityNumber AS n FROM otel_logs WHERE EventName = 'negative'")
    assert found == [{"n": 0}]
    assert served.counts.value(m.SERVER_SET_ASIDE, "logs") == 0


@pytest.mark.slow
def test_a_body_too_large_for_memory_costs_nobody_else_a_span(served):
    """Resource attributes are copied to every span: 190 KB of a body become gigabytes."""
    request, greedy = ExportTraceServiceRequest(), ExportTraceServiceRequest()
    span(greedy, "greedy")
    greedy.resource_spans[0].resource.attributes.add(key="large").value.string_value = "x" * 100_000
    spans = greedy.resource_spans[0].scope_spans[0].spans
    for _ in range(40_000):
        spans.add()
    span(request, "beside the greedy one")
    bodies = (
        [request.SerializeToString()] * 3 + [greedy.SerializeToString()] + [request.SerializeToString()] * 2
    )
    set_aside = served.counts.value(m.SERVER_SET_ASIDE, "traces")
    senders = [threading.Thread(target=post, args=(served.url, body)) for body in bodies]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert count(served, "beside the greedy one") == 5
    assert count(served, "greedy") == 0
    assert served.counts.value(m.SERVER_SET_ASIDE, "traces") == set_aside + 1
    assert served.failures() == {}
    for path in (served.settings.data / "journal").glob("*.set-aside"):
        path.unlink()


@pytest.mark.slow
def test_spans_of_a_thousand_days_are_few_parts_and_stored_once(served, tmp_path):
    """A wrong clock must not fill the store with parts, nor make a repeated segment a new one."""
    request = ExportTraceServiceRequest()
    day_ns = 86_400 * 10**9
    for number in range(1_200):
        span(request, "wrong clock").start_time_unix_nano = number * day_ns * 20
    segment = tmp_path / "traces-00000000000000000002.sealed"
    segment.write_bytes(frame(request.SerializeToString()))
    stage = staged(served, "traces")
    for _ in range(2):
        stage.load(segment)
        assert count(served, "wrong clock") == 1_200
    asked = "SELECT uniqExact(partition_id) AS found FROM system.parts WHERE table = 'otel_traces'"
    assert served.store.query(asked)[0]["found"] <= 403


@pytest.mark.parametrize("renamed", [False, True])
def test_a_split_that_a_crash_interrupted_is_completed(tmp_path, renamed):
    """Once the segment gave way to its halves, they are what is loaded; before that, it is."""
    requests = [ExportTraceServiceRequest() for _ in range(5)]
    for number, request in enumerate(requests):
        span(request, f"span {number}")
    whole = tmp_path / "traces-00000000000000000003.sealed"
    data = b"".join(frame(request.SerializeToString()) for request in requests)
    whole.write_bytes(data)
    first, second = split(whole, "traces", 0)
    assert [path.name[-14:] for path in (first, second)] == ["00003a0.sealed", "00003b0.sealed"]
    assert first.read_bytes() + second.read_bytes() == data
    expected = sorted(tmp_path.iterdir())
    second.rename(second.with_suffix(".half"))
    if renamed:
        whole.with_suffix(".split").write_bytes(data)
    else:
        first.rename(first.with_suffix(".half"))
        whole.write_bytes(data)
        expected = [whole]
    finish_splits(tmp_path, "traces")
    assert sorted(tmp_path.iterdir()) == expected


@pytest.mark.slow
def test_only_the_message_at_fault_is_set_aside(served, tmp_path):
    """The others in its segment were acknowledged, and belong to other programs."""
    held = []
    for number in range(6):
        request = ExportTraceServiceRequest()
        span(request, "beside the broken one").name += f" {number}"
        held.append(request.SerializeToString())
    held.insert(4, b"\xff not OTLP")
    segment = tmp_path / "traces-00000000000000000006.sealed"
    segment.write_bytes(b"".join(map(frame, held)))
    loader = Loader("traces", served.store, Counts(), text_bytes_max=1 << 20)
    loader.start()
    try:
        loader.take(segment)
        assert loader.wait(120.0)
        assert (loader.failure, loader.pending_bytes) == (None, 0)
    finally:
        loader.stop(1.0)
    [aside] = tmp_path.iterdir()
    assert aside.read_bytes() == frame(held[4])
    assert sum(count(served, f"beside the broken one {number}") for number in range(6)) == 6


class Refusing:
    """A connection on which another server stores a span, and then our INSERT runs out of memory."""

    def __init__(self, connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str):
        return getattr(self._connection, name)

    def run(self, statement: str, params=None):
        if "INSERT INTO otel_traces" in statement:
            self._connection.run(
                "INSERT INTO otel_traces (Timestamp, TraceId) SELECT now(), toString(rand64())"
            )
            raise EngineError("Code: 241. DB::Exception: Memory limit exceeded")
        return self._connection.run(statement, params)


@pytest.mark.slow
def test_a_part_that_somebody_else_stored_is_not_taken_for_ours(served, tmp_path):
    """A segment that has stored nothing can be halved; one that has, or may have, cannot."""
    request = ExportTraceServiceRequest()
    span(request, "refused")
    segment = tmp_path / "traces-00000000000000000012.sealed"
    segment.write_bytes(frame(request.SerializeToString()))
    refusing = Stage(Refusing(served.store.connection()), "traces", nullcontext(), text_bytes_max=1 << 20)
    with pytest.raises(LoadError) as refused:
        refusing.load(segment)
    assert (refused.value.code, refused.value.untouched) == (241, True)
    staged(served, "traces").load(segment)
    with pytest.raises(LoadError) as again:
        refusing.load(segment)
    assert not again.value.untouched


def test_halves_go_only_to_the_tables_that_still_need_them(served, tmp_path):
    """Points are inserted table by table; when the second one refuses, the first has its rows."""
    request = ExportMetricsServiceRequest()
    held = request.resource_metrics.add().scope_metrics.add().metrics
    held.add(name="once").gauge.data_points.add(as_int=1)
    held.add(name="once").sum.data_points.add(as_int=1)
    segment = tmp_path / "metrics-00000000000000000007.sealed"
    segment.write_bytes(frame(request.SerializeToString()) * 2)
    stage = staged(served, "metrics")
    for piece in split(segment, "metrics", 1):
        stage.load(piece, first_table(piece))
    for table, expected in (("otel_metrics_gauge", 0), ("otel_metrics_sum", 2)):
        found = served.store.query(f"SELECT count() AS n FROM {table} WHERE MetricName = 'once'")
        assert found == [{"n": expected}]


def segments(folder, *requests: ExportTraceServiceRequest) -> list[Path]:
    """Return a sealed segment for each request."""
    first = time.time_ns()  # The store knows those of other tests by their names.
    found = [folder / f"traces-{first + number:020d}.sealed" for number, _ in enumerate(requests)]
    for path, request in zip(found, requests, strict=True):
        path.write_bytes(frame(request.SerializeToString()))
    return found


@contextmanager
def loading(served, taken: list[Path]) -> Iterator[Loader]:
    loader = Loader("traces", served.store, Counts(), text_bytes_max=1 << 20)
    loader.start()
    try:
        for path in taken:
            loader.take(path)
        yield loader
    finally:
        loader.stop(1.0)


def meeting(monkeypatch, taken: list[Path], seconds: float) -> list[str]:
    """Let those who fill a table with one of two segments wait for each other; return which met."""
    both, met, fill = threading.Barrier(2), list[str](), Stage._fill

    def waiting(stage, number: int, table: str, name: str, *rest) -> None:
        if name in {path.stem for path in taken}:
            with suppress(threading.BrokenBarrierError):
                both.wait(seconds)
                met.append(name)
        fill(stage, number, table, name, *rest)

    monkeypatch.setattr(Stage, "_fill", waiting)
    return met


def test_two_segments_of_spans_fill_the_tables_at_once(served, tmp_path, monkeypatch):
    """One INSERT keeps one core busy, and waits for the disk."""
    requests = ExportTraceServiceRequest(), ExportTraceServiceRequest()
    for request in requests:
        span(request, "at once")
    taken = segments(tmp_path, *requests)
    met = meeting(monkeypatch, taken, 60.0)
    with loading(served, taken) as loader:
        assert loader.wait(120.0)
    assert sorted(met) == [path.stem for path in taken]
    assert count(served, "at once") == 2


@pytest.mark.slow
def test_spans_without_ids_are_stored_while_nobody_else_stores(served, tmp_path, monkeypatch):
    """Were their segment refused, nobody could look for what is stored of it."""
    requests = ExportTraceServiceRequest(), ExportTraceServiceRequest()
    span(requests[0], "has ids")
    span(requests[1], "has none").span_id = b""
    taken = segments(tmp_path, *requests)
    met = meeting(monkeypatch, taken, 1.0)
    with loading(served, taken) as loader:
        assert loader.wait(120.0)
    assert met == []
    assert (count(served, "has ids"), count(served, "has none")) == (1, 1)


@pytest.mark.slow
def test_nothing_is_stored_while_loading_pauses(served, tmp_path):
    """A backup is of one moment. It pauses each time one is made."""
    requests = ExportTraceServiceRequest(), ExportTraceServiceRequest()
    for request in requests:
        span(request, "paused")
    with loading(served, []) as loader:
        for stored, path in enumerate(segments(tmp_path, *requests)):
            with loader.pause:
                loader.take(path)
                assert not loader.wait(0.5)
                assert count(served, "paused") == stored
            assert loader.wait(120.0)
    assert count(served, "paused") == 2


@pytest.mark.slow
def test_a_loader_goes_on_after_what_nobody_foresaw(served, tmp_path, caplog):
    """A thread that ended would let the journal grow until the server refuses everything."""
    request = ExportTraceServiceRequest()
    span(request, "after the unforeseen")
    bad, good = (tmp_path / f"traces-0000000000000000000{number}.sealed" for number in (4, 5))
    bad.write_bytes(frame(b"\xff not OTLP"))
    good.write_bytes(frame(request.SerializeToString()))
    in_the_way = bad.with_suffix(".set-aside")
    in_the_way.mkdir()
    counts = Counts()
    loader = Loader("traces", served.store, counts, text_bytes_max=1 << 20)
    loader.start()
    try:
        loader.take(bad)
        loader.take(good)
        assert wait_until(lambda: "the loader of traces failed and tries again" in caplog.text)
        assert loader.failure is not None
        in_the_way.rmdir()
        assert loader.wait(120.0)
        assert loader.failure is None
    finally:
        loader.stop(1.0)
    assert [path.name for path in tmp_path.iterdir()] == [in_the_way.name]
    assert (counts.value(m.SERVER_SET_ASIDE, "traces"), counts.value(m.SERVER_LOADED, "traces")) == (1, 1)
    assert count(served, "after the unforeseen") == 1
