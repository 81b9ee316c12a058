"""Tokens are counted once, whoever counts them."""

import json
import math
import re
from dataclasses import FrozenInstanceError
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.errors import SettingError
from mlobs.instrument.counts import COUNT_MAX
from mlobs.instrument.usage import BUCKETS, Usage, latest, read_tier, read_usage
from tests.instrument.providers import PROVIDERS
from tests.instrument.usages import CASES

COUNTS = st.integers(0, 10**9)
SOME = st.none() | COUNTS


def total(usage):
    """Return all tokens, after looking that no bucket is below nothing."""
    assert min(getattr(usage, name) for name in BUCKETS) >= 0
    return usage.input_total + usage.output_total


@pytest.mark.parametrize("provider", PROVIDERS)
@given(st.tuples(COUNTS, COUNTS), st.lists(SOME, min_size=5, max_size=5))
def test_buckets_add_up_to_what_the_provider_counted(provider, totals, details):
    """Tokens that are counted twice are the field's most common billing error.

    Details that are more than their total happen; the total is what is billed.
    """
    given_usage, counted = provider(totals, details)
    assert total(read_usage(given_usage)) == counted


@pytest.mark.parametrize("case", CASES)
def test_what_a_provider_returns_is_read(case):
    """As dicts and as objects; sums worked by hand."""
    given_usage, wanted = CASES[case]
    assert read_usage(given_usage) == wanted
    if not any("." in name for name in given_usage) and case != "the buckets' own names":
        objects = json.loads(json.dumps(given_usage), object_hook=lambda found: SimpleNamespace(**found))
        assert read_usage(objects) == wanted


def test_the_events_of_a_stream_of_anthropic_add_up():
    """It begins with the input and repeats what was written so far with every change."""
    from anthropic.types import RawMessageDeltaEvent, RawMessageStartEvent

    message = {
        "id": "m", "type": "message", "role": "assistant", "model": "c", "content": [],
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 1},
    }  # fmt: skip
    start = RawMessageStartEvent.model_validate({"type": "message_start", "message": message})
    counted = read_usage(start)
    for written in (5, 9):
        event = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": written}}
        counted = latest(counted, read_usage(RawMessageDeltaEvent.model_validate(event)))
    assert counted == Usage(input=10, cached_read=90, output=9)


@pytest.mark.slow
def test_usage_of_gateways_and_frameworks_is_read():
    """Their own types, which are slow to import."""
    from agents import Usage as AgentsUsage
    from agents.usage import InputTokensDetails, OutputTokensDetails
    from litellm.types.utils import ModelResponse, PromptTokensDetailsWrapper
    from litellm.types.utils import Usage as LiteUsage
    from pydantic_ai.usage import RequestUsage, RunUsage

    lite = LiteUsage(
        prompt_tokens=10,
        completion_tokens=5,
        total_tokens=15,
        prompt_tokens_details=PromptTokensDetailsWrapper(cached_tokens=4, cache_creation_tokens=1),
    )
    assert read_usage(lite) == Usage(input=5, cached_read=4, cached_write=1, output=5)
    answer = ModelResponse(usage=lite)
    assert read_usage(answer) == read_usage(lite)
    run = RunUsage(
        input_tokens=10, cache_read_tokens=4, cache_write_tokens=2, cache_write_1h_tokens=1,
        output_tokens=5, output_reasoning_tokens=3, input_audio_tokens=2, cache_audio_read_tokens=1,
    )  # fmt: skip
    assert read_usage(run) == Usage(
        input=3, cached_read=3, cached_audio=1, cached_write=1, cached_write_1h=1, input_audio=1,
        output=2, reasoning=3,
    )  # fmt: skip
    assert read_usage(SimpleNamespace(usage=RequestUsage(input_tokens=1, output_tokens=2))) == Usage(
        input=1, output=2
    )
    agents = AgentsUsage(
        requests=1,
        input_tokens=10,
        output_tokens=5,
        total_tokens=15,
        input_tokens_details=InputTokensDetails(cached_tokens=4, cache_write_tokens=0),
        output_tokens_details=OutputTokensDetails(reasoning_tokens=2),
    )
    result = SimpleNamespace(context_wrapper=SimpleNamespace(usage=agents))
    assert read_usage(result) == Usage(input=6, cached_read=4, output=3, reasoning=2)


@pytest.mark.parametrize(
    "given_usage",
    [
        {}, None, {"tokens": 3}, object(), 7, "usage", [], {"prompt_tokens": "7"}, {"usage": None},
        MagicMock(),
        {"usage": {"usage": {"usage": {"usage": {"usage": {"usage": {}}}}}}},
        {"meta": {"billed_units": {"search_units": 1}}},
    ],
)  # fmt: skip
def test_what_is_no_usage_is_refused_with_what_was_wanted(given_usage):
    """A zero would look like a free call."""
    with pytest.raises(SettingError, match="no token counts were found"):
        read_usage(given_usage)


@pytest.mark.parametrize("count", [-5, math.nan, math.inf, -math.inf, 10**400, None, "9", 1e300])
def test_counts_that_cannot_be_do_no_harm(count):
    """They come from servers; what is sent on must fit 64 bits."""
    usage = read_usage({"prompt_tokens": 5, "completion_tokens": count, "total_tokens": count})
    assert usage.input == 5
    assert 0 <= total(usage) <= 3 * COUNT_MAX < 2**63


@pytest.mark.parametrize("count", [-1, 1.5, "1", None])
def test_a_count_no_call_can_have_is_refused(count):
    """Where it is written, not where it is added up."""
    with pytest.raises(SettingError, match=re.escape(f"Usage(output={count!r}): a whole number")):
        Usage(output=count)


def test_usage_is_a_value():
    """It is shared between threads; nobody may change it, and sums are new ones."""
    one = Usage(**{name: number for number, name in enumerate(BUCKETS, 1)})
    assert one + one == Usage(**{name: 2 * number for number, name in enumerate(BUCKETS, 1)})
    assert total(one) == sum(range(1, len(BUCKETS) + 1))
    with pytest.raises(FrozenInstanceError):
        one.input = 3
    assert read_usage(one) is one
    assert read_usage({name: getattr(one, name) for name in BUCKETS}) == one


@given(st.lists(st.tuples(*[COUNTS] * len(BUCKETS)), min_size=1, max_size=5))
def test_cumulative_counts_keep_the_largest_of_each_side(counts):
    """Providers repeat the count so far with every chunk, and one side may be missing in some."""
    found, all_of_them = None, [Usage(**dict(zip(BUCKETS, one, strict=True))) for one in counts]
    for one in all_of_them:
        found = latest(found, one)
    assert found.input_total == max(one.input_total for one in all_of_them)
    assert found.output_total == max(one.output_total for one in all_of_them)


@pytest.mark.parametrize(
    ("given_usage", "tier"),
    [
        ({"service_tier": "flex", "usage": {"prompt_tokens": 1}}, "flex"),
        ({"usage": {"input_tokens": 1, "service_tier": "batch"}}, "batch"),
        ({"input_tokens": 1, "speed": "fast", "service_tier": "standard"}, "fast"),
        ({"input_tokens": 1}, None),
        (Usage(input=1), None),
        ({"usage": None, "service_tier": 3}, None),
    ],
)
def test_the_tier_that_sets_the_price_is_read_with_the_usage(given_usage, tier):
    """A batch costs half, and nobody wants to say so twice."""
    assert read_tier(given_usage) == tier
