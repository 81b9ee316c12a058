"""Spans that a sampler kept count as often as they stand for, everywhere; all others count once."""

import json
import re
import time
import zlib
from textwrap import dedent

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.semconv import metrics as m
from mlobs.semconv.weights import WEIGHT_MAX, weight
from mlobs.server.figures import figures
from tests.server.otlp import post, span
from tests.server.samples import grown, samples, series

ALL, DIGITS = 2**56, 14
THRESHOLDS = st.integers(1, DIGITS).flatmap(
    lambda digits: st.text("0123456789abcdef", min_size=digits, max_size=digits)
)
STATES = st.one_of(
    THRESHOLDS.map("ot=th:{}".format),
    THRESHOLDS.map("a=b, ot=rv:1234;th:{} ,c=d".format),
    THRESHOLDS.map("ot=th:{};rv:ffffffffffffff".format),
    THRESHOLDS.map("ot=th:{}0".format),
    THRESHOLDS.map("ot=th:{}g".format),
    THRESHOLDS.map("xot=th:{0},ot=xth:{0}".format),
    THRESHOLDS.map("vendor=th:{}".format),
    THRESHOLDS.map("ot=th:,ot=th:{}".format),
    st.text(max_size=40),
    st.just(""),
)
IDS = st.binary(min_size=16, max_size=16).map(bytes.hex)


def defined(state: str, trace_id: str) -> int:
    """Return the weight as the definition has it, without the engine."""
    ours = next((one.strip(" \t") for one in state.split(",") if one.strip(" \t").startswith("ot=")), "ot=")
    told = [part.removeprefix("th:").strip(" \t") for part in ours[3:].split(";") if part.startswith("th:")]
    threshold = next((one for one in told if re.fullmatch(f"[0-9a-f]{{1,{DIGITS}}}", one)), "0")
    kept = ALL - int(threshold.ljust(DIGITS, "0"), 16)
    whole, rest = divmod(ALL, kept)
    return min(whole + (zlib.crc32(trace_id.encode()) / 2**32 < rest / kept), WEIGHT_MAX)


def asked(server, rows: list[tuple[str, str]]) -> list[int]:
    """Return the weights that the engine gives."""
    found = server.store.query(
        f"SELECT {weight()} AS weight FROM (SELECT row.1 AS TraceState, row.2 AS TraceId FROM "
        "(SELECT arrayJoin(JSONExtract({rows:String}, 'Array(Tuple(String, String))')) AS row))",
        {"rows": json.dumps(rows)},
    )
    return [row["weight"] for row in found]


@given(rows=st.lists(st.tuples(STATES, IDS), min_size=1, max_size=20))
def test_the_engine_weighs_as_the_definition(served, rows):
    """Whatever the trace state holds."""
    rows = [(state.replace("\0", ""), trace) for state, trace in rows]
    assert asked(served, rows) == [defined(state, trace) for state, trace in rows]


@pytest.mark.parametrize(
    "state",
    [
        "",
        "ot=",
        "ot=th:",
        "ot=th:0",
        "ot=th:zz",
        "ot=th:C",
        "ot=th:c000000000000000",
        "th:c",
        "xot=th:c",
        "\u202e",
    ],
)
def test_what_says_no_share_counts_once(served, state):
    assert asked(served, [(state, "0" * 32)]) == [1]


@pytest.mark.parametrize(
    ("threshold", "stands_for"), [("8", 2.0), ("b333", 3.3333), ("e6666666666668", 10.0)]
)
def test_over_many_traces_the_weights_are_the_inverse_of_the_share(served, threshold, stands_for):
    """Whole numbers next to it, in the right proportion."""
    ids = [f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}" for number in range(1, 5001)]
    found = asked(served, [(f"ot=th:{threshold}", one) for one in ids])
    assert set(found) <= {int(stands_for), int(stands_for) + 1}
    part = stands_for % 1
    assert sum(found) / len(ids) == pytest.approx(
        stands_for, abs=5 * (part * (1 - part) / len(ids)) ** 0.5 + 1e-3
    )


def sampled(server, number: int, state: str, took_ns: int = 300_000_000, **attributes) -> list[str]:
    """Send spans that a sampler kept, each of a trace of its own; return their ids."""
    request = ExportTraceServiceRequest()
    made = [span(request, took_ns=took_ns, **attributes) for _ in range(number)]
    for one in made:
        one.trace_state = state
    assert post(server.url, request.SerializeToString()).status_code == 200
    return [one.trace_id.hex() for one in made]


MODEL = {
    "gen_ai__operation__name": "chat",
    "gen_ai__provider__name": "p",
    "gen_ai__request__model": "weighed",
}


@pytest.mark.slow
def test_metrics_costs_and_minutes_count_what_kept_spans_stand_for(served):
    """A quarter was kept: calls, buckets, tokens and dollars are four times as many."""
    before = samples(served)
    spent = {"gen_ai__usage__input_tokens": 100, "mlobs__cost__usd": 0.7}
    ids = sampled(served, 5, "ot=th:c", **MODEL, **spent) + sampled(served, 3, "", **MODEL, **spent)
    more = grown(served, before)
    labels = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "p", "gen_ai_request_model": "weighed"}
    name = m.INFERENCE_DURATION.prometheus
    assert more[series(f"{name}_count", error_type="", **labels)] == 23
    assert more[series(f"{name}_bucket", error_type="", le="0.16", **labels)] == 0
    assert more[series(f"{name}_bucket", error_type="", le="0.32", **labels)] == 23
    assert more[series(f"{name}_sum", error_type="", **labels)] == pytest.approx(23 * 0.3)
    assert more[series(m.INPUT_TOKENS.prometheus, gen_ai_token_modality="unknown", **labels)] == 2300
    assert more[series(m.COST.prometheus, **labels)] == pytest.approx(23 * 0.7)
    [minutes] = served.store.query(
        "SELECT sum(Spans) AS spans, sum(Calls) AS calls, sum(InputTokens) AS tokens, "
        "sum(CostNanos) AS nanos, arraySum(mapValues(sumMap(Durations))) AS durations "
        "FROM minutes WHERE Model = 'weighed'"
    )
    assert minutes == {
        "spans": 23, "calls": 23, "tokens": 2300, "nanos": round(23 * 0.7 * 1e9), "durations": 23
    }  # fmt: skip
    assert len(set(ids)) == 8


@pytest.mark.slow
def test_costs_by_prices_are_those_of_all_calls_and_traces(served):
    """Tokens, calls, and the traces that a dollar is divided by."""
    model = {"gen_ai__request__model": "gpt-4o-mini", "gen_ai__provider__name": "openai"}
    spent = {"gen_ai__usage__input_tokens": 100, "session__id": "weighed"}
    sampled(served, 5, "ot=th:c", **{**MODEL, **model, **spent})
    served.drain()
    answer = requests.get(
        f"{served.url}/api/cost", params={"q": "session:weighed", "by": "model"}, timeout=30
    )
    assert answer.status_code == 200, answer.text
    total = answer.json()["total"]
    assert (total["calls"], total["traces"], total["successful_traces"]) == (20, 20, 20)
    assert total["tokens"] == {"input": 2000}


def test_shares_of_answers_and_checks_are_those_of_all(served):
    """All that was blocked is kept, a quarter of what passed: one of nine was blocked, not one of three."""
    checks = {"mlobs__kind": "guardrail", "mlobs__name": "weighed-check"}
    sampled(served, 20, "ot=th:c", mlobs__guardrail__verdict="pass", **checks)
    sampled(served, 10, "ot=th:0", mlobs__guardrail__verdict="block", **checks)
    served.drain()
    found = figures(served.store.named, time.time() + 1, calls_min=1, budget_usd=0)
    told = {
        tuple(point.labels.values()): point.value
        for point in found
        if point.metric is m.GUARDRAIL_BLOCK_RATIO
    }
    assert told["weighed-check",] == pytest.approx(1 / 9)


@pytest.mark.slow
def test_the_table_of_tools_weighs(served):
    """A quarter is kept of the quick calls, and all slow ones, which failed: the median is a quick one's."""
    tool = {"gen_ai__operation__name": "execute_tool", "gen_ai__tool__name": "weighed-tool"}
    sampled(served, 3, "ot=th:c", took_ns=1_000, **tool)
    sampled(served, 5, "ot=th:0", took_ns=9_000, failed=True, **tool)
    served.drain()
    now_ns = time.time_ns()
    params = {"since_ns": now_ns - 3600 * 10**9, "until_ns": now_ns, "limit": 100}
    rows = served.store.named("page_tools", {**params, "service": "tests", "buckets_each_doubling": 1})
    [row] = [one for one in rows if one["tool"] == "weighed-tool"]
    assert (row["spans"], row["errors"], row["durations"]) == (17, 5, {"9": 12, "13": 5})


OLD = dedent(
    """
    import json, sys
    from pathlib import Path
    from mlobs.server.store import Store

    folder = Path(sys.argv[0]).parent / "old"
    folder.mkdir()
    limits = {"memory_bytes_max": 1 << 30, "query_seconds_max": 30}
    old = Store(folder, schema=1, **limits)
    with old.writing() as connection:
        connection.run(
            "INSERT INTO otel_traces (Timestamp, TraceId, TraceState, SpanAttributes, Duration) SELECT "
            "now(), lower(hex(number)), if(number < 5, 'ot=th:c', ''), map('gen_ai.operation.name', 'chat'), "
            "1000 FROM numbers(8)"
        )
    old.close()
    new = Store(folder, **limits)
    [found] = new.query(
        "SELECT sum(Weight) AS spans, (SELECT sum(Spans) FROM minutes) AS minutes FROM otel_traces"
    )
    print(json.dumps(found))
    """
)


@pytest.mark.slow
def test_spans_of_an_older_store_are_weighed_when_they_are_read(run_program):
    """Their trace state was kept."""
    ended = run_program(OLD)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {"spans": 23, "minutes": 23}
