"""Tokens cost what they cost on that day, or nobody knows what."""

import json
from datetime import date
from importlib.resources import files

import pytest

from mlobs.errors import SettingError
from mlobs.instrument import prices
from mlobs.instrument.billing import usage_attributes
from mlobs.instrument.prices import Price, cost_usd, find, load_prices, packaged, spellings
from mlobs.instrument.usage import Usage

M = 1_000_000
DAY = date(2025, 11, 1)


@pytest.fixture(autouse=True)
def _only_packaged():
    yield
    prices.use(())


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
        ("gcp.vertex_ai", "claude-haiku-4-5@20251001", Usage(input=M), "standard", None),
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
    """From the providers' own pages."""
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
        ("gpt-3.5-turbo-0125", date(2023, 4, 1), 2),
    ],
)
def test_a_price_holds_from_its_day_on(model, day, input_price):
    """Re-pricing history needs the price of the day, not today's."""
    row = find("openai", model, day)
    assert (None if row is None else row.input) == input_price


def test_a_file_goes_before_the_packaged_rows(tmp_path):
    """What your contract says, and what has changed since."""
    path = tmp_path / "prices.json"
    mine = {
        "provider": "openai",
        "model": "gpt-4o",
        "valid_from": "2025-01-01",
        "input": 1,
        "output": 1,
        "source": "contract 7",
    }
    free = {
        **mine,
        "provider": "local",
        "model": "llama",
        "input": 0,
        "output": 0,
        "valid_until": "2025-12-31",
    }
    path.write_text(json.dumps([mine, free]))
    prices.use(load_prices(path))
    assert cost_usd(Usage(input=M), "openai", "gpt-4o", DAY) == 1
    assert cost_usd(Usage(input=M), "openai", "gpt-4o", date(2024, 6, 1)) == 5
    assert cost_usd(Usage(input=M), "local", "llama", DAY) == 0
    assert cost_usd(Usage(input=M), "local", "llama", date(2026, 1, 1)) is None


GOOD = {"provider": "p", "model": "m", "valid_from": "2025-01-01", "input": 1, "output": 1, "source": "s"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is no JSON"),
        ("{}", "a list of rows was expected, not dict"),
        ("[1]", "row 1: an object with provider, model and prices was expected, not int"),
        (json.dumps([GOOD, {**GOOD, "inputs": 1}]), "row 2: 'inputs' is not known (did you mean 'input'?)"),
        (
            json.dumps([{**GOOD, "input": -1}]),
            "input=-1: dollars per million tokens, 0 or more, were expected",
        ),
        (json.dumps([{**GOOD, "output": "1"}]), "output='1': dollars per million"),
        (json.dumps([{**GOOD, "valid_from": "soon"}]), "valid_from='soon': a day such as 2025-01-31"),
        (json.dumps([{**GOOD, "tiers": {"batch": "half"}}]), "factors by service tier"),
        (json.dumps([{**GOOD, "model": ""}]), "model='': a text was expected"),
        (json.dumps([{key: value for key, value in GOOD.items() if key != "source"}]), "'source' is missing"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_row(tmp_path, content, words):
    """A file that is half used makes costs half right."""
    path = tmp_path / "prices.json"
    path.write_text(content)
    with pytest.raises(SettingError) as error:
        load_prices(path)
    assert words in str(error.value)
    with pytest.raises(SettingError, match="cannot be read: No such file"):
        load_prices(tmp_path / "missing.json")


def test_every_packaged_price_says_where_it_is_from():
    """A number without a source cannot be checked."""
    rows = json.loads((files("mlobs.instrument") / "prices.json").read_text())
    assert len(packaged()) == len(rows) > 60
    assert all(row["source"].startswith("https://") for row in rows)
    keys = [(row["provider"], row["model"], row["valid_from"], row.get("above", 0)) for row in rows]
    assert len(keys) == len(set(keys))


def test_names_are_tried_from_the_most_exact():
    """A snapshot may have a price of its own."""
    assert spellings("gpt-4o-2024-08-06") == ["gpt-4o-2024-08-06", "gpt-4o"]
    assert spellings("vertex_ai/claude-3-5-haiku@20241022") == [
        "vertex_ai/claude-3-5-haiku@20241022",
        "claude-3-5-haiku",
    ]
    assert spellings("ft:gpt-4o:x") == ["ft:gpt-4o:x"]


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
    spoken = usage_attributes(Usage(input=5, input_audio=7, output_audio=3), "llm", {}, DAY)
    assert spoken["gen_ai.usage.text.input_tokens"] == 5
    assert (spoken["gen_ai.usage.audio.input_tokens"], spoken["gen_ai.usage.text.output_tokens"]) == (7, 0)
    assert "mlobs.cost.usd" not in usage_attributes(usage, "llm", {**known, "mlobs.cost.usd": 1.0}, DAY)
    assert "gen_ai.usage.output_tokens" not in usage_attributes(Usage(input=1), "embedding", {}, DAY)


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
