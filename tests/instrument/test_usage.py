"""Tokens are counted once, and cost what they cost on that day."""

import json
import re
from datetime import date
from importlib.resources import files
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CompletionUsage
from openai.types.responses import ResponseUsage

from mlobs.errors import SettingError
from mlobs.instrument.prices import Price, cost_usd, find, packaged
from mlobs.instrument.usage import Usage, read_usage

COUNTS = st.integers(0, 10**9)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_buckets_add_up_to_what_openai_counted(inputs, outputs, cached, reasoning):
    """Cached tokens counted twice are the field's most common billing error."""
    chat = CompletionUsage.model_validate(
        {
            "prompt_tokens": inputs,
            "completion_tokens": outputs,
            "total_tokens": inputs + outputs,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }
    )
    responses = ResponseUsage.model_validate(
        {
            "input_tokens": inputs,
            "output_tokens": outputs,
            "total_tokens": inputs + outputs,
            "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": reasoning},
        }
    )
    for given_usage in (chat, responses, json.loads(chat.model_dump_json())):
        usage = read_usage(given_usage)
        assert usage.input_total + usage.output_total == inputs + outputs
        assert usage.cached_read == min(cached, inputs)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_buckets_add_up_to_what_anthropic_counted(inputs, outputs, read, written):
    """Anthropic's input excludes the cached parts."""
    usage = read_usage(
        SimpleNamespace(
            input_tokens=inputs,
            output_tokens=outputs,
            cache_read_input_tokens=read,
            cache_creation_input_tokens=written,
        )
    )
    assert usage.input_total == inputs + read + written
    assert usage.output_total == outputs


def test_the_parts_of_a_stream_of_anthropic_add_up():
    """It begins with the input and ends with the output alone."""
    assert read_usage({"output_tokens": 15}) == Usage(output=15)


@pytest.mark.parametrize("given_usage", [{}, {"tokens": 3}, object(), 7, {"prompt_tokens": "7"}])
def test_what_is_no_usage_is_refused_with_what_was_wanted(given_usage):
    """A zero would look like a free call."""
    with pytest.raises(SettingError, match="no token counts were found"):
        read_usage(given_usage)


def test_a_count_no_call_can_have_is_refused():
    """Where it is written, not where it is added up."""
    with pytest.raises(SettingError, match=re.escape("Usage(output=-1): a whole number")):
        Usage(output=-1)


def test_each_bucket_has_its_price():
    """Worked by hand from the row."""
    usage = Usage(
        input=1_000_000, cached_read=1_000_000, cached_write=1_000_000, output=500_000, reasoning=500_000
    )
    assert cost_usd(usage, "anthropic", "claude-sonnet-4-20250514", date(2026, 1, 1)) == pytest.approx(
        3 + 0.3 + 3.75 + 15
    )


def test_a_price_holds_from_its_day_on():
    """Re-pricing history needs the price of the day, not today's."""
    old = Price(provider="p", model="m", valid_from=date(2024, 1, 1), input=10, output=10, source="x")
    new = Price(provider="p", model="m", valid_from=date(2025, 1, 1), input=1, output=1, source="x")
    rows = [new, old]
    assert find(rows, "p", "m", date(2023, 12, 31)) is None
    assert find(rows, "p", "m", date(2024, 12, 31)) is old
    assert find(rows, None, "m-2024-05-13", date(2025, 1, 1)) is new
    assert find(rows, "q", "m", date(2025, 1, 1)) is None
    assert find(rows, "p", "m-mini", date(2025, 1, 1)) is None


def test_every_packaged_price_says_where_it_is_from():
    """A number without a source cannot be checked."""
    rows = json.loads((files("mlobs.instrument") / "prices.json").read_text())
    assert len(packaged()) == len(rows) > 10
    assert all(min(value for value in row.values() if isinstance(value, float)) >= 0 for row in rows)
    assert all(row["source"].startswith("https://") for row in rows)
