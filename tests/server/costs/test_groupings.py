"""Costs by model, user, agent or anything else: every row, and what the rows leave out."""

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.prices.book import Book
from mlobs.server.ask.asked import spans
from mlobs.server.ask.ranges import read_range
from mlobs.server.costs.pricing import Pricing
from mlobs.server.costs.report import Also, Question, report

M = 1_000_000


@pytest.mark.slow
def test_rows_of_every_grouping_add_up_to_the_total(calls):
    """To the last digit that a double has."""
    agent = calls.add(
        "invoke_agent a", gen_ai__operation__name="invoke_agent", gen_ai__agent__name="a", took_ns=10**12,
        user__id="ana", session__id="s1", mlobs__tag__tenant="acme",
    )  # fmt: skip
    step = calls.add("step", parent=agent, mlobs__kind="step", took_ns=10**11)
    calls.chat(parent=step, mlobs__experiment__tone="formal", mlobs__experiment__size="big")
    calls.chat("gpt-4o-mini", parent=agent, user__id="bo")
    calls.chat("gpt-5", (17, 3), shop__tier="gold")
    calls.send()
    expected = {
        "model": {"gpt-4o", "gpt-4o-mini", "gpt-5"},
        "provider": {"openai"},
        "service": {calls.service},
        "agent": {"a", None},
        "tenant": {"acme", None},
        "user": {"ana", "bo", None},
        "session": {"s1", None},
        "experiment": {"size=big, tone=formal", None},
        "experiment.tone": {"formal", None},
        "attr.shop.tier": {"gold", None},
        "month": {f"{datetime.now(UTC):%Y-%m}"},
    }
    total = calls.report()["total"]["cost_usd"]
    for by, names in expected.items():
        rows = calls.rows(by)
        assert set(rows) == names, by
        assert sum(Decimal(repr(row["cost_usd"])) for row in rows.values()) == Decimal(repr(total)), by


@pytest.mark.slow
def test_the_nearest_agent_pays(calls):
    """A call of an agent that another agent called belongs to the inner one."""

    def agent(name, parent=None):
        return calls.add(
            name, parent=parent, took_ns=10**12, gen_ai__operation__name="invoke_agent",
            gen_ai__agent__name=name,
        )  # fmt: skip

    outer = agent("outer")
    inner = agent("inner", outer)
    calls.chat("gpt-4o", (M, 0), parent=inner)
    calls.chat("gpt-4o", (2 * M, 0), parent=outer)
    calls.send()
    assert {name: row["cost_usd"] for name, row in calls.rows("agent").items()} == {"inner": 2.5, "outer": 5}


@pytest.mark.slow
def test_in_a_report_beside_it_only_the_dearest_are_told_apart(calls):
    """A chart has few colours, and a day as many users as it likes: all of them are in its sums."""
    for number, size in enumerate((30, 20, 10, 5)):
        calls.chat("gpt-4o", (size * 1_000, 0), user__id=("ana", "it's\\\n", "others", "")[number])
    calls.send()
    within = read_range({}, time.time_ns())
    asked = Question(spans({"q": f"service:{calls.service}"}), within, ("user",), 100, Pricing(Book()))
    found = report(calls.server.store.query, asked, Also(("day", "user"), 100, 2))
    rows = {row["group"]["user"]: row["cost_usd"] for row in found["also_rows"]}
    assert rows == {"ana": 0.075, "it's\\\n": 0.05, "others": 0.0375}


def test_what_is_beyond_the_limit_is_told(calls):
    """A table that ends must not look like all there is."""
    for number, size in enumerate((30, 20, 10)):
        calls.chat("gpt-4o", (size * 1_000, 0), user__id=f"u{number}")
    calls.send()
    report = calls.report(by="user", limit="2")
    assert [row["group"]["user"] for row in report["rows"]] == ["u0", "u1"]
    assert (report["groups"], report["rest_usd"]) == (3, 0.025)


@pytest.mark.parametrize(
    "by",
    [
        "attr.it's,attr.\\,resource.a\nb",
        *(
            pytest.param(by, marks=pytest.mark.slow)
            for by in (
                "user,agent,session",
                "tenant,experiment,hour",
                "trace,model,status",
                "experiment.,attr.{by_0:String},name",
            )
        ),
    ],
)
def test_groupings_can_be_combined_and_are_only_names(calls, by):
    """What is in them is never SQL."""
    calls.chat("'; DROP TABLE otel_traces; --\\", user__id="\u202e\x00'\"\\")
    outer = calls.chat("gpt-4o", (9, 9))
    calls.chat("gpt-4o", (9, 9), parent=outer)
    calls.send()
    report = calls.report(by=by)
    assert report["total"]["calls"] == sum(row["calls"] for row in report["rows"]) == 2
    assert report["unpriced"][0]["model"] == "'; DROP TABLE otel_traces; --\\"


@pytest.mark.slow
@pytest.mark.parametrize("by", [("service",), ("model",), ("trace", "day")])
def test_the_rows_add_up_to_the_total_while_calls_come_in(calls, by):
    """A call before every statement, and of a model that none of them was before."""
    sent = []

    def ask(statement, params):
        calls.request = ExportTraceServiceRequest()
        sent.append(("gpt-4o", "gpt-4o-mini", "o3", "nobody-knows")[len(sent) % 4])
        calls.chat(sent[-1])
        calls.send()
        return calls.server.store.query(statement, params)

    within = read_range({}, time.time_ns())
    found = report(
        ask, Question(spans({"q": f"service:{calls.service}"}), within, by, 100, Pricing(Book(), None, None))
    )
    total, rows = found["total"], found["rows"]
    for name in ("calls", "calls_without_price", "tokens_without_price", "traces", "successful_traces"):
        assert total[name] == sum(row[name] for row in rows), name
    assert total["cost_usd"] == pytest.approx(sum(row["cost_usd"] or 0 for row in rows), rel=1e-12)
    assert found["rest_usd"] == 0
    assert total["calls"] == len(sent)
