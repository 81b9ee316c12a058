"""Sums by minute say what the spans say, whichever way the spans came or went."""

import json
import os
import random
from textwrap import dedent

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.errors import StoreError
from mlobs.server.engine import EngineError
from mlobs.server.minutes import TABLE, TEN, added, quantiles
from mlobs.server.upkeep.deletion import delete
from tests.server.otlp import post, span

SUMS = (
    "SELECT sum(Spans) AS spans, sum(Errors) AS errors, sum(Calls) AS calls, sum(CountedCalls) AS counted, "
    "sum(InputTokens) AS input, sum(OutputTokens) AS output, sum(PricedCalls) AS priced, "
    "sum(CostNanos) AS cost, sumIf(Spans, IsRoot) AS roots, sumMap(Durations) AS durations, "
    "sumMap(FirstChunks) AS chunks FROM {table} WHERE ServiceName = {{service:String}}"
)


def sums(served, service: str, table: str = TABLE) -> dict:
    return served.store.query(SUMS.format(table=table), {"service": service})[0]


def send(served, service: str, spans: int, **given) -> list[int]:
    """Send calls that take different times; return how long."""
    request, took = ExportTraceServiceRequest(), []
    chance = random.Random(1)
    for number in range(spans):
        took.append(int(10 ** chance.uniform(5, 10)))
        span(
            request, "chat", took_ns=took[-1], failed=number % 10 == 0, gen_ai__operation__name="chat",
            gen_ai__request__model="m", gen_ai__usage__input_tokens=100, mlobs__cost__usd=0.25,
            gen_ai__response__time_to_first_chunk=took[-1] / 2e9, **given,
        )  # fmt: skip
    request.resource_spans[0].resource.attributes[0].value.string_value = service
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    return took


@pytest.mark.parametrize("table", [TABLE, pytest.param(TEN, marks=pytest.mark.slow)])
def test_the_sums_are_those_of_the_spans(served, table):
    service = os.urandom(6).hex()
    took = sorted(send(served, service, 300))
    found = sums(served, service, table)
    counted = {name: found[name] for name in ("spans", "errors", "calls", "counted", "priced", "roots")}
    assert counted == {"spans": 300, "errors": 30, "calls": 300, "counted": 300, "priced": 300, "roots": 300}
    assert (found["input"], found["output"], found["cost"]) == (30_000, 0, 75 * 10**9)
    for level, near in zip((0.5, 0.95), quantiles(found["durations"], (0.5, 0.95)), strict=True):
        assert near == pytest.approx(took[int(level * 300)], rel=0.15)
    halves = quantiles(found["chunks"], (0.5,))
    assert halves == pytest.approx([took[150] / 2], rel=0.15)


@pytest.mark.parametrize("cost", ["nan", "inf", "-1", "a lot"])
def test_a_cost_that_is_none_is_not_counted(served, cost):
    service, request = os.urandom(6).hex(), ExportTraceServiceRequest()
    span(request, "chat", gen_ai__operation__name="chat", mlobs__cost__usd=cost)
    request.resource_spans[0].resource.attributes[0].value.string_value = service
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    found = sums(served, service)
    assert (found["spans"], found["calls"], found["priced"], found["cost"]) == (1, 1, 0, 0)


def test_a_cost_that_many_calls_cannot_have_is_no_debt(served):
    """A sampler's word for a million calls of a million dollars once made the sum of all run over."""
    service, request = os.urandom(6).hex(), ExportTraceServiceRequest()
    made = span(request, "chat", gen_ai__operation__name="chat", mlobs__cost__usd=1e6)
    made.trace_state = "ot=th:ffffffffffffff"
    for name in ("start_time_unix_nano", "end_time_unix_nano"):  # To where no other test looks.
        setattr(made, name, getattr(made, name) - 20 * 86_400 * 10**9)
    request.resource_spans[0].resource.attributes[0].value.string_value = service
    assert post(served.url, request.SerializeToString()).status_code == 200
    served.drain()
    assert sums(served, service)["cost"] == 10**15


@pytest.mark.slow
def test_what_is_deleted_is_taken_off(served):
    """Once, also where the same is asked for again."""
    service, user = os.urandom(6).hex(), os.urandom(6).hex()
    send(served, service, 20)
    send(served, service, 30, user__id=user)
    assert sums(served, service)["spans"] == 50
    for _ in range(2):
        answer = requests.post(f"{served.url}/api/delete", json={"user": user}, timeout=180)
        assert answer.status_code == 200
        for table in (TABLE, TEN):
            found = sums(served, service, table)
            assert (found["spans"], found["errors"], found["cost"]) == (20, 2, 5 * 10**9)
            assert sum(found["durations"].values()) == 20


@pytest.mark.slow
def test_a_deletion_that_failed_when_half_was_gone_takes_the_rest_off_once(served, monkeypatch):
    """The engine removes part by part, and gives up at one that it cannot rewrite."""
    service, user = os.urandom(6).hex(), os.urandom(6).hex()
    send(served, service, 20)
    for _ in range(2):
        send(served, service, 15, user__id=user)
    with served.store.writing() as connection, monkeypatch.context() as patch:
        run = connection.run

        def broken(statement, params=None):
            if not statement.startswith("ALTER TABLE otel_traces DELETE"):
                return run(statement, params)
            half = "SELECT SpanId FROM otel_traces WHERE UserId = {user:String} LIMIT 15"
            [*ids] = (row["SpanId"] for row in run(half, {"user": user}))
            some = ", ".join(f"'{one}'" for one in ids)
            run(f"ALTER TABLE otel_traces DELETE WHERE SpanId IN ({some}) SETTINGS mutations_sync = 2")
            raise EngineError("Code: 241. DB::Exception: broken")

        patch.setattr(connection, "run", broken)
        with pytest.raises(StoreError, match="broken"):
            delete(connection, "user", user)
    with served.store.writing() as connection:
        delete(connection, "user", user)
    assert [sums(served, service, table)["spans"] for table in (TABLE, TEN)] == [20, 20]


OLD = dedent(
    """
    import json, sys
    from pathlib import Path
    from mlobs.server.store import Store
    from tests.server.earlier import CHATS, LIMITS, earlier, ended_before

    folder = Path(sys.argv[0]).parent / "store"
    earlier(folder, 3, ["minutes_view", "ten_minutes_view", "minutes", "ten_minutes"], CHATS)
    if CRASH:
        with ended_before("EXCHANGE TABLES minutes"):
            Store(folder, **LIMITS)
    for _ in range(2):
        store = Store(folder, **LIMITS)
        asked = "SELECT sum(Spans) AS spans, uniqExact(Minute) AS at, sum(InputTokens) AS tokens FROM "
        found = [store.query(asked + table)[0] for table in ("minutes", "ten_minutes")]
        left = store.query("SELECT count() AS n FROM system.tables WHERE name = 'minutes_2'")[0]["n"]
        store.close()
    print(json.dumps([found, left]))
    """
)


@pytest.mark.slow
@pytest.mark.parametrize("crash", [False, True])
def test_spans_that_were_there_before_are_added_up_once(run_program, crash):
    """Also when the first try was interrupted, and not again at the next start."""
    ended = run_program(OLD.replace("CRASH", str(crash)))
    assert ended.returncode == 0, ended.stderr
    (minutes, tens), left = json.loads(ended.stdout)
    assert (minutes["spans"], minutes["at"], minutes["tokens"]) == (5_000, 5_000, 25_000)
    assert (tens["spans"], tens["tokens"]) == (5_000, 25_000)
    assert tens["at"] in {500, 501}
    assert left == 0


@pytest.mark.slow
def test_what_pages_say_of_calls_does_not_change_when_rows_are_merged(served):
    """That a call failed and that another told no tokens came in two rows, which become one."""
    service = os.urandom(6).hex()
    for failed, used in ((True, {"gen_ai__usage__input_tokens": 5}), (False, {})):
        request = ExportTraceServiceRequest()
        span(request, "chat", failed=failed, gen_ai__operation__name="chat", mlobs__kind="llm", **used)
        request.resource_spans[0].resource.attributes[0].value.string_value = service
        assert post(served.url, request.SerializeToString()).status_code == 200
        served.drain()
    params = {"table": TABLE, "since_s": 0, "until_s": 2**32 - 1, "limit": 100_000, "service": service}

    def told() -> list[dict]:
        rows = [served.store.named(name, params) for name in ("page_totals", "page_arrivals")]
        return [row for found in rows for row in found if row["service"] == service]

    before = told()
    with served.store.writing() as connection:
        connection.run(f"OPTIMIZE TABLE {TABLE} FINAL")
    assert len(before) == 2
    assert told() == before


def test_quantiles_lie_where_the_values_lie():
    assert quantiles({}, (0.5,)) is None
    assert quantiles({"80": 0}, (0.5,)) is None
    assert quantiles({"240": 1}, (0.0, 1.0)) == [2**30, pytest.approx(2**30.125)]
    assert added([{"1": 2}, {"1": 3, "2": 1}]) == {"1": 5, "2": 1}
