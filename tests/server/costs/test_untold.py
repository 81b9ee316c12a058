"""Calls that tell tokens and no cost get one when they are stored."""

import json
from contextlib import nullcontext
from datetime import UTC, datetime

import pytest
import requests

from mlobs.prices.book import Book
from mlobs.server.costs.untold import costs
from mlobs.server.framing import frame
from mlobs.server.staging import Stage
from tests.server.costs.conftest import CHAT, Calls


def stored(calls: Calls) -> dict[str, float | None]:
    """Return what the store holds of each span, by its name."""
    calls.send()
    rows = calls.server.store.query(
        "SELECT SpanName AS name, CostUsd AS cost, SpanAttributes['mlobs.cost.usd'] AS sent "
        "FROM otel_traces WHERE ServiceName = {service:String}",
        {"service": calls.service},
    )
    return {row["name"]: row["cost"] for row in rows}


@pytest.fixture
def calls(served):
    return Calls(served)


def test_a_call_of_another_instrumentation_costs_the_same_everywhere(calls):
    calls.chat("gpt-4o-mini", (1_000_000, 500_000))
    calls.chat(
        "gpt-4o-mini", (1_000_000, 0), gen_ai__usage__cache_read__input_tokens=1_000_000, name="cached"
    )
    found = stored(calls)
    assert found == {"chat": pytest.approx(0.45), "cached": pytest.approx(0.075)}
    [row] = calls.report(by="service")["rows"]
    assert row["cost_usd"] == pytest.approx(sum(found.values()))
    metrics = requests.get(f"{calls.server.url}/metrics", timeout=60).text
    lines = [one for one in metrics.splitlines() if one.startswith("mlobs_cost_usd_total{")]
    [line] = [one for one in lines if calls.service in one]
    assert float(line.rpartition(" ")[2]) == pytest.approx(row["cost_usd"])
    answer = requests.get(
        f"{calls.server.url}/api/traces", params={"q": f"service:{calls.service} cost>0.4"}, timeout=60
    )
    assert [one["cost_usd"] for one in answer.json()["traces"]] == [pytest.approx(0.45)]


def test_a_call_keeps_the_cost_it_tells(calls):
    calls.chat("gpt-4o-mini", mlobs__cost__usd=0.25)
    calls.chat("gpt-4o-mini", name="untold")
    assert stored(calls) == {"chat": 0.25, "untold": pytest.approx(0.00021)}


def test_what_is_no_call_or_has_no_price_has_no_cost(calls):
    calls.chat("a-model-of-nobody", name="unknown")
    calls.chat("gpt-4o-mini", (0, 0), name="nothing used")
    calls.chat("gpt-4o-mini", gen_ai__operation__name="invoke_agent", name="agent")
    calls.chat("gpt-4o-mini", openai__response__service_tier="unheard-of", name="tier")
    calls.add("no tokens", **CHAT, gen_ai__response__model="gpt-4o-mini")
    calls.chat("gpt-4o-mini", at=datetime(2023, 1, 1, tzinfo=UTC), name="before all prices")
    assert set(stored(calls).values()) == {None}


def test_of_a_call_and_a_child_that_repeats_it_one_has_a_cost(calls):
    outer = calls.chat("gpt-4o-mini", name="outer")
    calls.chat("gpt-4o-mini", parent=outer, name="inner")
    telling = calls.chat("gpt-4o-mini", mlobs__cost__usd=0.5, name="telling")
    calls.chat("gpt-4o-mini", parent=telling, name="below it")
    calls.chat("gpt-4o-mini", (2_000, 100), parent=telling, name="another")
    assert stored(calls) == {
        "outer": None,
        "inner": pytest.approx(0.00021),
        "telling": 0.5,
        "below it": None,
        "another": pytest.approx(0.00036),
    }


def test_a_dialect_is_priced_by_what_it_means(calls):
    spoken = {"openinference__span__kind": "LLM", "llm__provider": "anthropic"}
    used = {"llm__token_count__prompt": 1_000, "llm__token_count__completion": 500}
    cached = {"llm__token_count__prompt_details__cache_read": 2_000}
    calls.add("beside", **spoken, llm__model_name="claude-sonnet-4-5", **used, **cached)
    calls.add("told", **spoken, llm__model_name="claude-sonnet-4-5", **used, llm__cost__total=0.125)
    assert stored(calls) == {"beside": pytest.approx(0.0111), "told": 0.125}


def test_prices_of_a_file_are_used_and_while_it_is_broken_those_before(calls, tmp_path, monkeypatch, caplog):
    own = tmp_path / "prices.json"
    row = {
        "provider": "openai", "model": "house-model", "valid_from": "2024-01-01",
        "input": 1.0, "output": 2.0, "source": "a contract",
    }  # fmt: skip
    own.write_text(json.dumps([row]))
    monkeypatch.setenv("MLOBS_PRICES", str(own))
    calls.chat("house-model", (1_000_000, 0), name="theirs")
    assert stored(calls) == {"theirs": 1.0}
    own.write_text("no prices")
    for name in ("first", "second", "third"):  # Whichever of the loader's threads has it.
        broken = Calls(calls.server)
        broken.chat("gpt-4o-mini", name=name)
        assert stored(broken) == {name: pytest.approx(0.00021)}
    assert "calls are priced with what was known before" in caplog.text


def test_a_name_that_is_no_text_costs_others_nothing(calls, tmp_path):
    """Receivers refuse such a request; a segment that has one all the same must not be tried for ever."""
    calls.chat("gpt-4o-mini", name="told well")
    calls.chat("gpt-4o-?-odd", name="odd")
    calls.request.resource_spans[0].resource.attributes[0].value.string_value = calls.service
    body = calls.request.SerializeToString().replace(b"gpt-4o-?-odd", b"gpt-4o-\xff-odd")
    segment = tmp_path / "traces-00000000000000000009.sealed"
    segment.write_bytes(frame(body))
    Stage(calls.server.store.connection(), "traces", nullcontext(), text_bytes_max=1 << 20).load(segment)
    found = calls.server.store.query(
        "SELECT count() AS n, sum(CostUsd) AS cost FROM otel_traces WHERE ServiceName = {service:String}",
        {"service": calls.service},
    )
    assert found == [{"n": 2, "cost": pytest.approx(0.00021)}]


@pytest.mark.parametrize("count", ["", "-1", "1e3", "nan", "9" * 30, "\u0663"])
def test_what_is_no_count_of_tokens_counts_none(count):
    row = {
        "key": "00", "trace": "t", "span": "s", "parent": "", "day": "2026-01-01", "translated": 0,
        "failed": 0, "meant": ["openai", "gpt-4o-mini", "", "", count, "10", count, "", ""], "sent": [""] * 9,
    }  # fmt: skip
    assert costs([row], Book()) == [(b"\0", repr(10 * 0.6 / 1e6))]
