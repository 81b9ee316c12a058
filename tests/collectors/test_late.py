"""What comes after a trace was judged, and what a sampler does not see: scores that are log records."""

import os
import subprocess
import sys
import time

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode, TraceFlags, set_span_in_context

from tests import sink
from tests.collectors import tiers
from tests.collectors.files import TOP
from tests.collectors.programs import arrived, provider, weight
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
EACH, SHARE = 60, 0.3


def test_a_late_span_weighs_as_its_trace_does(tmp_path):
    """Also beside a tracestate of somebody else's; what failed stands for itself, as does what follows it."""
    receiver = sink.start()
    with tiers.all_in_one(tmp_path, receiver.url, MLOBS_SAMPLER_BASE_PERCENT=str(SHARE * 100)) as tier:
        made = provider(tier)
        tracer = made.get_tracer("test", attributes={"mine": "x"})
        traces = {"good": [], "bad": []}
        for name, found in traces.items():
            for _ in range(EACH):
                with tracer.start_as_current_span(name) as root:
                    if name == "bad":
                        root.set_status(StatusCode.ERROR)
                    found.append(root.get_span_context())
        made.force_flush()
        until(lambda: sum(name == "bad" for name, _, _ in arrived(receiver)) == EACH)
        time.sleep(4)  # Whatever is kept is kept by then.
        on_time = arrived(receiver)
        for name, found in traces.items():
            for number, context in enumerate(found):
                state = (
                    context.trace_state.add("ot", "rv:12345678901234") if number % 2 else context.trace_state
                )
                parent = SpanContext(
                    context.trace_id, context.span_id, True, TraceFlags(1), state.add("v", "1")
                )
                above = set_span_in_context(NonRecordingSpan(parent))
                tracer.start_span(f"late {name}", above).end()
        made.shutdown()
        until(lambda: sum(name == "late bad" for name, _, _ in arrived(receiver)) == EACH)
        time.sleep(2)
        late = [one for one in arrived(receiver) if one not in on_time]
        early = tier.own("otelcol_processor_tail_sampling_early_releases_from_cache_decision")
    weights = {trace: weight(state) for _, trace, state in on_time}
    assert {name for name, _, _ in late} == {"late good", "late bad"}
    assert {trace for _, trace, _ in late} == set(weights)
    assert {weights[trace] for name, trace, _ in late if name == "late bad"} == {1.0}
    assert {round(weights[trace], 6) for name, trace, _ in late if name == "late good"} == {
        round(1 / SHARE, 6)
    }
    for _, trace, state in late:
        assert weight(state) == pytest.approx(weights[trace], rel=1e-9), state
        assert "v=1" in state.split(",")
    assert sum("rv:12345678901234" in state for _, _, state in late) > EACH / 2
    assert early == 2 * EACH
    bodies = b"".join(body for _, body in receiver.bodies)
    assert b"mine" in bodies
    assert b"tailsampling" not in bodies


PROGRAM = """
import sys
import mlobs

mlobs.init("shop", endpoint=sys.argv[1])

@mlobs.evaluator
def judge(text):
    return 0.1

@mlobs.agent
def run(name):
    if name == "scored on a span":
        judge("answer")
    if name in {"scored by a record", "scored and kept"}:
        mlobs.score("helpful", 0.1)
    if name == "scored and kept":
        mlobs.set({"mlobs.keep": True})
    mlobs.set({"case": name})

for name in ("scored on a span", "scored by a record", "scored and kept", "ordinary"):
    run(name)
mlobs.shutdown()
"""


def test_a_bad_score_keeps_a_trace_where_it_is_on_a_span_or_the_call_is_marked(tmp_path):
    """mlobs.score() is a log record, which goes past the sampler; the record arrives all the same."""
    receiver = sink.start()
    with tiers.all_in_one(tmp_path, receiver.url, MLOBS_SAMPLER_BASE_PERCENT="0") as tier:
        command = [sys.executable, "-c", PROGRAM, tier.http]
        token = {**os.environ, "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {tiers.TOKEN}"}
        done = subprocess.run(
            command, cwd=TOP, env=token, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        until(lambda: len(cases(receiver)) == 2)
        time.sleep(4)  # Whatever else was kept was kept by now.
        assert cases(receiver) == {"scored on a span", "scored and kept"}
        until(lambda: len(receiver.events()) == 2)


def cases(receiver):
    return {seen.attributes["case"] for seen in receiver.spans() if "case" in seen.attributes}
