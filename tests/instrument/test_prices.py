"""Tokens cost what they cost on that day, or nobody knows what."""

import json
from datetime import date
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.instrument.billing import usage_attributes
from mlobs.prices.book import cost_usd, find, packaged
from mlobs.prices.buckets import Usage
from mlobs.prices.models import spellings
from mlobs.prices.rows import Price

M = 1_000_000
DAY = date(2025, 11, 1)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "tier", "dollars"),
    [
        ("openai", "gpt-4o-mini", Usage(input=M, cached_read=M, output=M), "standard", 0.15 + 0.075 + 0.6),
        ("openai", "gpt-4o-mini-2024-07-18", Usage(reasoning=M), "default", 0.6),
        ("openai", "gpt-5", Usage(input=M, output=M), "flex", (1.25 + 10) / 2),
        ("openai", "gpt-5", Usage(input=M, output=M), "priority", (1.25 + 10) * 2),
        ("openai", "gpt-4o-audio-preview", Usage(input_audio=M, output_audio=M), "standard", 40 + 80),
        ("openai", "text-embedding-3-small", Usage(input=M), "standard", 0.02),
        (
            "anthropic",
            "claude-opus-4-1-20250805",
            Usage(input=M, cached_write=M, cached_write_1h=M),
            "batch",
            (15 + 18.75 + 30) / 2,
        ),
        (
            "anthropic",
            "claude-sonnet-4-20250514",
            Usage(input=100_000, output=100_000),
            "standard",
            0.3 + 1.5,
        ),
        (
            "anthropic",
            "claude-sonnet-4-20250514",
            Usage(input=300_000, output=100_000),
            "standard",
            1.8 + 2.25,
        ),
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0", Usage(output=M), "standard", 15),
        ("gcp.vertex_ai", "claude-haiku-4-5@20251001", Usage(input=M), "standard", 1),
        ("vertex_ai", "publishers/google/models/gemini-2.5-flash", Usage(input=M), "standard", 0.3),
        ("aws.bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0", Usage(input=M), "standard", 1.1),
        ("aws.bedrock", "global.anthropic.claude-haiku-4-5-20251001-v1:0", Usage(input=M), "standard", 1),
        (
            "aws.bedrock",
            "arn:aws:bedrock:eu-west-1:1:inference-profile/us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0",
            Usage(input=M),
            "batch",
            6 * 1.1 / 2,
        ),
        ("aws", "amazon.nova-pro-v1:0:24k", Usage(input=M, cached_read=M), "priority", (0.8 + 0.2) * 1.75),
        ("litellm", "bedrock/us.amazon.nova-lite-v1:0", Usage(output=M), "standard", 0.24),
        ("openrouter", "anthropic/claude-sonnet-4", Usage(output=100_000), "standard", 1.5),
        ("anthropic", "claude-sonnet-4-0", Usage(output=100_000), "standard", 1.5),
        ("google", "gemini-2.5-flash", Usage(cached_read=M, cached_audio=M), "batch", 0.03 + 0.1),
        ("gcp.gemini", "gemini-2.5-flash", Usage(input=M, input_audio=M), "batch", 0.15 + 0.5),
        ("gcp.gemini", "gemini-2.5-flash", Usage(input=M), "PRIORITY", 0.54),
        ("openai", "gpt-4o-mini", Usage(input=M, cached_read=M, output=M), "priority", 0.25 + 0.125 + 1),
        ("x_ai", "grok-4-0709", Usage(input=M, output=M), "standard", 3 + 15),
        ("groq", "openai/gpt-oss-20b", Usage(input=M), "on_demand", 0.075),
        ("google", "models/gemini-2.5-flash", Usage(input=M, input_audio=M), "standard", 0.3 + 1),
        ("gcp.gemini", "gemini-2.5-pro", Usage(input=200_000), "standard", 0.25),
        ("gcp.gemini", "gemini-2.5-pro", Usage(input=200_001), "standard", 2.5 * 200_001 / M),
        (None, "openai/gpt-4.1", Usage(output=M), "standard", 8),
        ("mistralai", "mistral-large-latest", Usage(input=M), "standard", 2),
        (
            "deepseek",
            "deepseek-chat",
            Usage(input=M, cached_read=M, output=M),
            "standard",
            0.28 + 0.028 + 0.42,
        ),
    ],
)
def test_costs_worked_by_hand(provider, model, usage, tier, dollars):
    """From the list prices of that day, worked out by hand."""
    found = cost_usd(usage, provider, model, DAY, tier=tier)
    assert found == (None if dollars is None else pytest.approx(dollars))


@pytest.mark.parametrize(
    ("provider", "model", "tier"),
    [
        ("openai", "gpt-99", "standard"),
        ("openai", "ft:gpt-4o-mini:acme::x", "standard"),
        ("azure.ai.openai", "my-deployment", "standard"),
        ("anthropic", "gpt-4o", "standard"),
        ("openai", "gpt-4o-miniature", "standard"),
        ("openai", "gpt-4o", "made-up-tier"),
        ("openai", "openai/ft:gpt-4o-2024-08-06:acme::x", "standard"),
        ("gcp.gemini", "tunedModels/gemini-2.5-pro", "standard"),
        ("litellm", "azure/gpt-4o", "standard"),
        (None, "azure/gpt-4o", "standard"),
        ("aws.bedrock", "gpt-4o", "standard"),
        ("aws.bedrock", "application-inference-profile/abc", "standard"),
        ("openrouter", "deepseek/deepseek-chat:free", "standard"),
        ("vllm", "gpt-4o", "standard"),
        ("openai", "gpt-4o" * 1000, "standard"),
        ("openai", "", "standard"),
    ],
)
def test_an_unknown_price_is_unknown_and_not_zero(provider, model, tier):
    """A zero would look like a free call in every sum."""
    assert cost_usd(Usage(input=M), provider, model, DAY, tier=tier) is None


@pytest.mark.parametrize(
    ("model", "day", "input_price"),
    [
        ("gpt-4o", date(2024, 5, 12), None),
        ("gpt-4o", date(2024, 9, 30), 5),
        ("gpt-4o", date(2024, 10, 1), 2.5),
        ("gpt-4o-2024-05-13", date(2025, 1, 1), 5),
        ("o3", date(2025, 6, 9), 10),
        ("o3", date(2025, 6, 10), 2),
        ("gpt-3.5-turbo", date(2023, 4, 1), 2),
        ("gpt-3.5-turbo", date(2023, 7, 1), 1.5),
        ("gpt-3.5-turbo", date(2024, 2, 1), 0.5),
        ("gpt-3.5-turbo-0613", date(2024, 5, 1), 1.5),
        ("o1-mini", date(2025, 1, 30), 3),
    ],
)
def test_a_price_holds_from_its_day_on(model, day, input_price):
    """Re-pricing history needs the price of the day, not today's."""
    row = find("openai", model, day)
    assert (None if row is None else row.input) == input_price


@pytest.mark.parametrize(
    ("provider", "model", "day", "size", "prices"),
    [
        ("gcp.gemini", "gemini-1.5-flash", date(2024, 8, 11), 1000, (0.35, 1.05)),
        ("gcp.gemini", "gemini-1.5-flash-002", date(2024, 8, 12), 1000, (0.075, 0.3)),
        ("gcp.gemini", "gemini-1.5-flash", date(2024, 8, 12), 128_001, (0.15, 0.6)),
        ("deepseek", "deepseek-chat", date(2025, 2, 8), 1000, (0.14, 0.28)),
        ("deepseek", "deepseek-chat", date(2025, 2, 9), 1000, (0.27, 1.1)),
        ("deepseek", "deepseek-chat", date(2025, 9, 29), 1000, (0.28, 0.42)),
        ("deepseek", "deepseek-chat", date(2026, 7, 25), 1000, None),
        ("anthropic", "claude-sonnet-4", date(2025, 8, 11), 300_000, (3, 15)),
        ("anthropic", "claude-sonnet-4", date(2025, 8, 12), 300_000, (6, 22.5)),
        ("anthropic", "claude-opus-4-6", date(2026, 3, 12), 300_000, (10, 37.5)),
        ("anthropic", "claude-opus-4-6", date(2026, 3, 13), 300_000, (5, 25)),
        ("openai", "gpt-5.6-luna", date(2026, 7, 29), 1000, (1, 6)),
        ("openai", "gpt-5.6-luna", date(2026, 7, 30), 272_001, (0.4, 1.8)),
        ("gcp.gemini", "gemini-3.6-flash", date(2026, 8, 12), 1000, (1.5, 7.5)),
        ("gcp.gemini", "gemini-3.6-flash", date(2026, 8, 13), 1000, (0.75, 3.75)),
        ("x_ai", "grok-4.20-0309", date(2026, 4, 29), 199_999, (2, 6)),
        ("x_ai", "grok-4.20", date(2026, 4, 30), 200_000, (2.5, 5)),
        ("mistral_ai", "mistral-large-latest", date(2025, 12, 1), 1000, (2, 6)),
        ("mistral_ai", "mistral-large-latest", date(2025, 12, 2), 1000, (0.5, 1.5)),
        ("mistral_ai", "mistral-large-2411", date(2026, 1, 1), 1000, (2, 6)),
    ],
)
def test_prices_that_were_cut_or_depend_on_the_size(provider, model, day, size, prices):
    """History is full of both."""
    row = find(provider, model, day, input_tokens=size)
    assert (None if row is None else (row.input, row.output)) == prices


def test_what_is_read_from_a_cache_has_a_history_of_its_own():
    """Claude Sonnet 5.5 kept its other prices when this one was halved."""
    for day, dollars in ((date(2026, 10, 6), 0.2), (date(2026, 10, 7), 0.1)):
        assert cost_usd(Usage(cached_read=M), "anthropic", "claude-sonnet-5-5", day) == pytest.approx(dollars)


def test_every_packaged_price_says_where_it_is_from():
    """A number without a source cannot be checked."""
    rows = json.loads((files("mlobs.prices") / "prices.json").read_text())
    assert len(packaged()) == len(rows) > 60
    assert all(row["source"].startswith("https://") for row in rows)
    keys = [(row["provider"], row["model"], row["valid_from"], row.get("above", 0)) for row in rows]
    assert len(keys) == len(set(keys))
    for row in packaged():
        assert row.cached_read is None or row.cached_read <= row.input, row
        assert row.cached_write is None or row.cached_write >= row.input, row
        assert row.checked is None or row.checked >= date(2025, 1, 1), row


def test_names_are_tried_from_the_most_exact():
    """A snapshot may have a price of its own."""
    assert spellings("gpt-4o-2024-08-06")[0] == ("gpt-4o-2024-08-06", "gpt-4o")
    assert spellings("vertex_ai/claude-3-5-haiku@20241022")[0][1:] == (
        "claude-3-5-haiku-20241022",
        "claude-3-5-haiku",
    )
    assert spellings("ft:gpt-4o:x")[0] == ("ft:gpt-4o:x",)
    assert spellings("eu.anthropic.claude-opus-4-6-v1") == (
        ("eu.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        True,
    )


@given(st.text(max_size=300) | st.from_regex(r"[a-z.\-0-9/@:]{1,300}", fullmatch=True), st.none() | st.text())
def test_whatever_a_model_is_called_asking_its_price_does_no_harm(model, provider):
    """Model names are made from what users type."""
    assert cost_usd(Usage(), provider, model, DAY) in {None, 0.0}


def test_the_span_tells_buckets_and_cost():
    """Text is named only where the provider gave a split; a cost that was set stays."""
    known = {
        "gen_ai.request.model": "gpt-5",
        "gen_ai.provider.name": "openai",
        "openai.response.service_tier": "flex",
    }
    usage = Usage(input=60, cached_read=40, output=10, reasoning=5)
    assert usage_attributes(usage, "llm", known, DAY) == {
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 15,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "mlobs.cost.usd": pytest.approx((60 * 1.25 + 40 * 0.125 + 15 * 10) / 2 / M),
    }
    written = usage_attributes(Usage(cached_write=2, cached_write_1h=3), "llm", {}, DAY)
    assert written["gen_ai.usage.cache_write.input_tokens"] == 5
    assert written["mlobs.usage.cache_write_1h.input_tokens"] == 3
    spoken = usage_attributes(Usage(input=5, input_audio=7, output_audio=3), "llm", {}, DAY)
    assert spoken["gen_ai.usage.text.input_tokens"] == 5
    assert (spoken["gen_ai.usage.audio.input_tokens"], spoken["gen_ai.usage.text.output_tokens"]) == (7, 0)
    assert "mlobs.cost.usd" not in usage_attributes(usage, "llm", {**known, "mlobs.cost.usd": 1.0}, DAY)
    assert "mlobs.cost.usd" not in usage_attributes(Usage(), "llm", known, DAY)
    assert "gen_ai.usage.output_tokens" not in usage_attributes(Usage(input=1), "embedding", {}, DAY)


def test_the_tier_that_served_a_call_wins_over_the_one_asked_for():
    """`auto` was asked for; what was served is what is billed."""
    known = {"gen_ai.response.model": "gpt-5", "openai.request.service_tier": "flex"}
    usage = Usage(output=M)
    assert usage_attributes(usage, "llm", known, DAY)["mlobs.cost.usd"] == 5
    served = {**known, "openai.response.service_tier": "default"}
    assert usage_attributes(usage, "llm", served, DAY)["mlobs.cost.usd"] == 10
    named = {**served, "mlobs.service_tier": "priority"}
    assert usage_attributes(usage, "llm", named, DAY)["mlobs.cost.usd"] == 20
    assert "mlobs.cost.usd" not in usage_attributes(usage, "llm", {**named, "mlobs.service_tier": "?"}, DAY)


def test_a_row_can_price_every_bucket():
    """Each bucket has its own price, or that of the bucket it is part of."""
    row = Price(
        provider="p",
        model="m",
        valid_from=DAY,
        source="s",
        input=1,
        output=2,
        cached_read=3,
        cached_write=4,
        cached_write_1h=5,
        input_audio=6,
        input_image=7,
        cached_audio=8,
        reasoning=9,
        output_audio=10,
        output_image=11,
    )
    buckets = {
        "input": 1,
        "output": 2,
        "cached_read": 3,
        "cached_write": 4,
        "cached_write_1h": 5,
        "input_audio": 6,
        "input_image": 7,
        "cached_audio": 8,
        "reasoning": 9,
        "output_audio": 10,
        "output_image": 11,
    }
    for bucket, dollars in buckets.items():
        assert row.of(Usage(**{bucket: M})) == dollars
