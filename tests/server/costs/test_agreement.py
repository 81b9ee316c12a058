"""The server prices and divides what a call used as the SDK does."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlobs.instrument.billing import usage_attributes
from mlobs.instrument.counts import Counts
from mlobs.prices.buckets import BUCKETS, Usage, of_totals
from tests.server.costs.conftest import CHAT, Calls, days_ago, noon

USAGES = st.builds(
    lambda counts: Usage(**dict(zip(BUCKETS, counts, strict=True))),
    st.lists(st.sampled_from([0, 0, 0, 1, 7]) | st.integers(0, 10**6), min_size=11, max_size=11),
)
CALLED = st.sampled_from([
    ("openai", "gpt-4o"), ("openai", "gpt-4o-mini-2024-07-18"), ("openai", "gpt-5"),
    ("anthropic", "claude-sonnet-4"),
    ("anthropic", "claude-opus-4-6"), ("gcp.gemini", "gemini-2.5-pro"), ("gcp.gemini", "gemini-2.5-flash"),
    ("aws.bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0"), ("deepseek", "deepseek-chat"),
    ("openai", "nobody-knows"), (None, "openai/gpt-4.1"), (None, "azure/gpt-4o"),
])  # fmt: skip
TIERS = st.sampled_from([None, "default", "flex", "batch", "PRIORITY", "night"])


@pytest.mark.slow
@settings(max_examples=8)
@given(st.lists(st.tuples(USAGES, CALLED, TIERS, st.integers(1, 350)), min_size=20, max_size=60))
def test_the_server_s_cost_of_a_span_is_the_sdk_s_estimate(served, many):
    """Whatever the usage, model, tier and day: what an alert saw in the collector is what finance sees."""
    calls, estimates = Calls(served), {}
    for usage, (provider, model), tier, ago in many:
        known = {"gen_ai.operation.name": "chat", "gen_ai.response.model": model}
        known |= {"gen_ai.provider.name": provider} if provider else {}
        known |= {"mlobs.service_tier": tier} if tier else {}
        attributes = known | usage_attributes(usage, "llm", known, days_ago(ago))
        made = calls.add(
            at=noon(days_ago(ago)), **{name.replace(".", "__"): one for name, one in attributes.items()}
        )
        estimates[made.trace_id.hex()] = usage, attributes.get("mlobs.cost.usd")
    calls.send()
    rows = calls.rows("trace", limit="1000")
    assert rows.keys() == estimates.keys()
    for trace, (usage, estimate) in estimates.items():
        assert rows[trace]["tokens"] == {name: n for name in BUCKETS if (n := getattr(usage, name))}
        if usage.input_total or usage.output_total:  # the SDK estimates nothing of nothing
            assert rows[trace]["cost_usd"] == (
                None if estimate is None else pytest.approx(estimate, rel=1e-12)
            )
    priced = [row["cost_usd"] for row in rows.values() if row["cost_usd"] is not None]
    assert calls.report()["total"]["cost_usd"] == pytest.approx(sum(priced), rel=1e-12) if priced else True


WIRE = (
    "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_write.input_tokens", "mlobs.usage.cache_write_1h.input_tokens",
    "gen_ai.usage.audio.input_tokens", "gen_ai.usage.image.input_tokens",
    "gen_ai.usage.audio.cache_read.input_tokens", "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.audio.output_tokens", "gen_ai.usage.image.output_tokens",
)  # fmt: skip


def test_details_that_do_not_fit_their_totals_are_cut(calls):
    """Providers and strangers say anything; the buckets are disjoint and add up to the total all the same."""
    chance, expected = random.Random(7), {}
    for _ in range(150):
        counts = Counts(*(chance.choice((0, 3, 50, 100, 10**16)) for _ in WIRE))
        sent = {name.replace(".", "__"): count for name, count in zip(WIRE, counts, strict=True)}
        made = calls.add(**CHAT, gen_ai__response__model="gpt-4o", **sent)
        usage = of_totals(Counts(*(min(count, 10**15) for count in counts)))
        expected[made.trace_id.hex()] = {name: n for name in BUCKETS if (n := getattr(usage, name))}
    calls.send()
    assert {trace: row["tokens"] for trace, row in calls.rows("trace", limit="1000").items()} == expected
