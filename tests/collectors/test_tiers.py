"""SDK, sidecar, gateway, sampler, server: everything arrives, the right traces are kept, counts hold."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from opentelemetry.trace import StatusCode

from mlobs.semconv import attributes as a
from tests import sink
from tests.collectors import sidecar, tiers
from tests.collectors.files import TOP
from tests.collectors.programs import arrived, provider, weight
from tests.collectors.series import derived_series
from tests.processes import server
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
RUNS = 40
MEASURED = 6 * RUNS + 7  # Calls of the shop, and those in the words of other tools.
SCORED_ANSWERS = 36  # Those of the shop's answers that do not fail.
# The one call that tells no cost and has a price: the server works it out, collectors have no prices.
UNTOLD = (
    "mlobs_cost_usd_total",
    frozenset({
        ("service_name", "shop"),
        ("gen_ai_operation_name", "chat"),
        ("gen_ai_provider_name", "openai"),
        ("gen_ai_request_model", "gpt-4.1"),
    }),
)  # fmt: skip


def test_what_the_sdk_made_goes_through_all_hops_and_both_derive_the_same_metrics(tmp_path):
    """Names, labels, buckets and values: the gateway's from the spans, the server's from its tables."""
    with (
        server(tmp_path) as url,
        tiers.sampler(tmp_path, url, MLOBS_SAMPLER_BASE_PERCENT="100") as second,
        # An exemplar is shown until the durations are renewed, so long enough to be looked at.
        tiers.gateway(tmp_path, url, [second.grpc], MLOBS_DERIVED_EVERY="5s") as first,
        sidecar.running(tmp_path, first.http, MLOBS_HEADERS_FILE=str(first.headers)) as beside,
    ):
        command = [sys.executable, "-m", "tests.collectors.shop", beside.http, str(RUNS), tiers.TOKEN]
        done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        agent = "gen_ai_invoke_agent_duration_seconds_bucket"
        until(
            lambda: any(
                agent in line and " # {" in line and "trace_id=" in line for line in tiers.derived(first)
            )
        )
        whole = until(
            lambda: (
                (got := derived_series(sidecar.fetched(f"{url}/metrics")))
                and _measured(got) >= MEASURED
                and _scores(got) >= 2 * RUNS + SCORED_ANSWERS
                and got
            )
        )
        assert whole.pop(UNTOLD) > 0
        until(
            lambda: (
                (got := derived_series(tiers.derived(first)))
                and _measured(got) >= MEASURED
                and got.keys() >= whole.keys()
                and _scores(got) >= _scores(whole)
            )
        )
        wanted = {series: pytest.approx(value) for series, value in whole.items()}

        def different():
            got = derived_series(tiers.derived(first))
            return {
                one: (got.get(one), wanted.get(one))
                for one in got | wanted
                if got.get(one) != wanted.get(one)
            }

        until(lambda: not different(), told=different)
        assert first.own("otelcol_receiver_accepted_spans") >= MEASURED


def _scores(series):
    return sum(value for (name, _), value in series.items() if name == "mlobs_evaluation_results_total")


def _measured(series):
    return sum(
        value
        for (name, labels), value in series.items()
        if name.endswith("_duration_seconds_count") and ("service_name", "shop") in labels
    )


def test_a_sender_without_the_token_is_refused(tmp_path):
    """Beyond loopback nobody sends unasked; the gateway asks on loopback as well."""
    receiver = sink.start()
    with tiers.gateway(tmp_path, receiver.url, ["127.0.0.1:1"]) as first:
        asked = urllib.request.Request(
            f"{first.http}/v1/traces", b"{}", {"Content-Type": "application/json"}, method="POST"
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(asked, timeout=60)
    assert refused.value.code == 401


WORTH_KEEPING = {
    "failed": lambda span: span.set_status(StatusCode.ERROR),
    "costly": lambda span: span.set_attribute(a.COST_USD.name, 0.9),
    "judged badly": lambda span: span.set_attribute(a.EVALUATION_SCORE.name, 0.1),
    "blocked": lambda span: span.set_attribute(a.GUARDRAIL_VERDICT.name, "block"),
    "to be kept": lambda span: span.set_attribute(a.KEEP.name, True),
}
ORDINARY = {
    "ordinary": lambda span: None,
    "cheap": lambda span: span.set_attribute(a.COST_USD.name, 0.01),
    "judged well": lambda span: span.set_attribute(a.EVALUATION_SCORE.name, 0.9),
    "passed": lambda span: span.set_attribute(a.GUARDRAIL_VERDICT.name, "pass"),
}
EACH, SHARE = 150, 0.25
KEPT = 'otelcol_processor_incoming_items{otel_signal="traces",processor="transform/kept"}'


def judge(tier, traces):
    """Wait until so many traces were kept or left out, and the round in which the last one was is over."""
    of_sampler = "otelcol_processor_tail_sampling_"
    until(lambda: tier.own(f"{of_sampler}global_count_traces_sampled") == traces)
    rounds = f"{of_sampler}sampling_decision_timer_latency_count"
    before = tier.own(rounds)
    until(lambda: tier.own(rounds) > before)


def handed_on(tier):
    """Return how many spans the sampler has kept; None while some of them still wait to be sent."""
    lines = sidecar.fetched(tier.metrics)
    kept = sum(float(line.rpartition(" ")[2]) for line in lines if KEPT in line)
    return kept if kept == tier.own("otelcol_exporter_sent_spans") else None


def test_what_matters_is_kept_and_the_rest_is_counted_right(tmp_path):
    """Every trace worth keeping stands for itself; a quarter of the others stands for all of them."""
    receiver = sink.start()
    with tiers.all_in_one(
        tmp_path,
        receiver.url,
        MLOBS_SAMPLER_BASE_PERCENT=str(SHARE * 100),
        MLOBS_SAMPLER_LOOP_SPANS="30",
        MLOBS_SAMPLER_SLOW_MS="5000",
    ) as tier:
        made = provider(tier)
        tracer = made.get_tracer("test")
        for name, mark in {**WORTH_KEEPING, **ORDINARY}.items():
            for _ in range(EACH):
                with tracer.start_as_current_span(name), tracer.start_as_current_span(f"{name} call") as call:
                    mark(call)
        for _ in range(5):
            with tracer.start_as_current_span("loop"):
                for _ in range(30):
                    tracer.start_span("round").end()
            now = time.time_ns()
            tracer.start_span("slow", start_time=now - 6_000_000_000).end(now)
        made.shutdown()
        judge(tier, EACH * len(WORTH_KEEPING | ORDINARY) + 10)
        until(lambda: handed_on(tier) == len(arrived(receiver)))
        spans = arrived(receiver)
    for name in WORTH_KEEPING:
        assert sum(one == name for one, _, _ in spans) == EACH, name
        assert {weight(state) for one, _, state in spans if one == name} == {1.0}
    assert sum(name == "loop" for name, _, _ in spans) == 5
    assert sum(name == "slow" for name, _, _ in spans) == 5
    ordinary = [weight(state) for name, _, state in spans if name in ORDINARY]
    total = EACH * len(ORDINARY)
    assert 0 < len(ordinary) < total / 2
    # Five standard deviations of a binomial with this share.
    assert sum(ordinary) == pytest.approx(total, abs=5 * (total * (1 - SHARE) / SHARE) ** 0.5)
    # Whole traces, never halves.
    roots = {trace for name, trace, _ in spans if name in ORDINARY}
    calls = {
        trace for name, trace, _ in spans if name.removesuffix(" call") in ORDINARY and name not in ORDINARY
    }
    assert roots == calls


def test_behind_the_sampler_the_servers_counts_are_those_of_all_calls(tmp_path):
    """Three calls of ten are kept, and stand for three or four each; those that failed are all kept."""
    calls, failed, share = 1000, 40, 0.3
    with (
        server(tmp_path) as url,
        tiers.all_in_one(tmp_path, url, MLOBS_SAMPLER_BASE_PERCENT=str(share * 100)) as tier,
    ):
        made = provider(tier)
        tracer = made.get_tracer("test")
        model = {a.OPERATION_NAME.name: "chat", a.REQUEST_MODEL.name: "m", a.INPUT_TOKENS.name: 3}
        for number in range(calls + failed):
            with tracer.start_as_current_span("chat m", attributes=model) as call:
                if number >= calls:
                    call.set_status(StatusCode.ERROR)
        made.shutdown()
        judge(tier, calls + failed)
        kept = until(lambda: handed_on(tier))
        stands_for = until(lambda: (found := stored(url))["spans"] == kept and found["calls"])
        good, bad, tokens = until(lambda: (now := counted(url))[0] + now[1] == stands_for and now)
        until(
            lambda: counted(derived=tier) == (calls, failed, 3 * (calls + failed)),
            told=lambda: counted(derived=tier),
        )
    assert failed < kept < (calls + failed) * 0.6
    assert bad == failed
    assert tokens == 3 * (good + bad)
    # Five standard deviations of a binomial with this share, and of the rounding to three or four.
    assert good == pytest.approx(calls, abs=5 * (calls * (1 - share) / share + calls * share / 4) ** 0.5)


def stored(url):
    """Return how many spans a server has, and how many calls they stand for."""
    asked = urllib.request.Request(
        f"{url}/api/sql",
        json.dumps({"query": "SELECT count() AS spans, sum(Weight) AS calls FROM otel_traces"}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.load(answer)["data"][0]


def counted(url="", derived=None):
    """Return good calls, bad ones and input tokens, of a server or of a gateway."""
    lines = tiers.derived(derived) if derived else sidecar.fetched(f"{url}/metrics")
    found = derived_series(lines)
    calls = {
        dict(labels).get("error_type", ""): value
        for (name, labels), value in found.items()
        if name == "gen_ai_client_inference_duration_seconds_count"
    }
    tokens = sum(
        value
        for (name, _), value in found.items()
        if name == "gen_ai_client_inference_usage_input_tokens_total"
    )
    return calls.get("", 0), calls.get("_OTHER", 0), tokens


def test_metrics_and_logs_pass_the_gateway(tmp_path):
    """Traces are for tier two; these go to the sinks at once."""
    receiver = sink.start()
    with tiers.gateway(tmp_path, receiver.url, ["127.0.0.1:1"]) as first:
        for path, body in BODIES.items():
            post(first, path, body)
        until(lambda: receiver.signals() == set(BODIES))


BODIES = {
    "/v1/metrics": {
        "resourceMetrics": [
            {
                "scopeMetrics": [
                    {
                        "metrics": [
                            {
                                "name": "shop.orders",
                                "gauge": {
                                    "dataPoints": [{"asInt": "3", "timeUnixNano": "1800000000000000000"}]
                                },
                            }
                        ]
                    }
                ]
            }
        ]
    },
    "/v1/logs": {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "hello"}}]}]}]},
}


def post(tier, path, body):
    asked = urllib.request.Request(
        tier.http + path,
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {tiers.TOKEN}"},
        method="POST",
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        assert answer.status == 200
