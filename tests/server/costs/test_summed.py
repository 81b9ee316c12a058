"""What is read from sums is what is read from the spans."""

import json
import os
import random
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from textwrap import dedent

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.prices.book import Book
from mlobs.prices.rows import Price
from mlobs.server.ask.asked import spans
from mlobs.server.ask.ranges import NS, Range
from mlobs.server.costs import report as reports
from mlobs.server.costs.pricing import Pricing
from mlobs.server.costs.report import Question, report
from mlobs.server.costs.sources import SURVEY, survey_params
from mlobs.server.costs.summed import SIZES, TEN_S, fits
from tests.server.costs.conftest import Calls
from tests.server.otlp import post

MODELS = ("gpt-4o", "claude-sonnet-4-5", "nobody-knows", "dated")
AGENTS = (("agent",), ("agent", "model"), ("hour", "agent"), ("agent", "session"), ("agent", "user", "day"))
BYS = (
    (), ("model",), ("service",), ("hour", "model"), ("day",), ("user",), ("session", "status"),
    ("provider",), ("resource.service.version",), ("tenant",), ("attr.nothing",), ("user", "agent"),
)  # fmt: skip


def book(day: date) -> Book:
    """Return prices of which one changes on a day, and one at a size."""

    def price(**given) -> Price:
        return Price(provider="openai", source="test", **given)

    return Book(
        [
            price(model="dated", valid_from=date(2020, 1, 1), input=1, output=2),
            price(model="dated", valid_from=day, input=3, output=5),
        ]
    )


class Stream(Calls):
    """Traces as instrumentations send them: nested, sampled, in pieces, twice."""

    def fill(self, chance: random.Random, begins: datetime, traces: int) -> None:
        """Add traces of several hours."""
        for _ in range(traces):
            at = begins + timedelta(seconds=chance.uniform(0, 5 * 3600), microseconds=chance.randrange(10**6))
            root = self.add(
                "root", at=at, failed=chance.random() < 0.3, **self.runs(chance),
                trace_state=chance.choice(("", "ot=th:c", "ot=th:5")),
            )  # fmt: skip
            above = [root]
            for _ in range(chance.randrange(9)):
                at += timedelta(seconds=chance.choice((0.001, 1, 700)))
                above.append(self.below(chance, at, chance.choice(above), root.trace_state))
            if chance.random() < 0.3:
                lone = self.one(chance, at, root, root.trace_state)
                below = self.one(chance, at, lone, root.trace_state)
                lone.trace_id = below.trace_id = b""

    def below(self, chance: random.Random, at: datetime, parent, state: str):
        """Add a call, an agent or a step below a span."""
        if chance.random() < 0.6:
            return self.one(chance, at, parent, state)
        return self.add("below", at=at, parent=parent, trace_state=state, **self.runs(chance))

    @staticmethod
    def runs(chance: random.Random) -> dict[str, object]:
        """Return what an agent or a step says that runs for a second, or while others begin."""
        took = {"took_ns": chance.choice((1, 800, 2_000)) * 10**9}
        if chance.random() < 0.3:
            return {**took, "mlobs__kind": "step"}
        return {
            **took,
            "gen_ai__operation__name": "invoke_agent",
            "gen_ai__agent__name": chance.choice("abc"),
        }

    def one(self, chance: random.Random, at: datetime, parent, state: str):
        """Add a call below a span; sometimes one that says the same."""
        said = {one.key: one.value.string_value or one.value.int_value for one in parent.attributes}
        if "gen_ai.usage.input_tokens" in said and chance.random() < 0.6:
            tokens = said["gen_ai.usage.input_tokens"], said["gen_ai.usage.output_tokens"]
            model = said["gen_ai.response.model"]
        else:
            tokens = chance.choice((0, 10, 199_999, 200_000, 250_000, 300_000)), chance.randrange(50)
            model = chance.choice(MODELS)
        more = chance.choice(
            (
                {}, {"gen_ai__usage__cache_read__input_tokens": 7},
                {"openai__response__service_tier": "flex"},
                {"gen_ai__usage__reasoning__output_tokens": 5}, {"mlobs__usage__audio__input_tokens": 3},
                {"gen_ai__agent__name": "c"},
            )
        )  # fmt: skip
        return self.chat(
            model, tokens, at=at, parent=parent, trace_state=state, failed=chance.random() < 0.1,
            user__id=chance.choice(("u1", "u2")), session__id="s", mlobs__cost__usd=0.25, **more,
        )  # fmt: skip

    def send_in_pieces(self, chance: random.Random, pieces: int) -> None:
        """Send what was added in any order, some of it twice."""
        whole = list(self.request.resource_spans[0].scope_spans[0].spans)
        if chance.random() < 0.5:
            chance.shuffle(whole)
        cuts = sorted({0, *(chance.randrange(len(whole)) for _ in range(pieces - 1))})
        parts = [whole[begin:end] for begin, end in zip(cuts, [*cuts[1:], None], strict=True)]
        for part in [*parts, chance.choice(parts)]:
            request = ExportTraceServiceRequest()
            request.CopyFrom(self.request)
            del request.resource_spans[0].scope_spans[0].spans[:]
            request.resource_spans[0].scope_spans[0].spans.extend(part)
            request.resource_spans[0].resource.attributes[0].value.string_value = self.service
            assert post(self.server.url, request.SerializeToString()).status_code == 200
            self.server.drain()

    def add(self, *args, trace_state: str = "", **given):
        made = super().add(*args, **given)
        made.trace_state = trace_state
        return made


def asked(stream: Stream, within: Range, by: tuple[str, ...], pricing: Pricing, q: str = "") -> Question:
    then = Pricing(pricing.book, None, "gpt-4o-mini") if q else None
    return Question(spans({"q": f"service:{stream.service} {q}"}), within, by, 50, pricing, then)


SPANS_ALONE = {"summed": False, "repeated": True, "agents": False}


def both(monkeypatch, query, question: Question) -> tuple[dict, dict]:
    """Return the answer as it is, and the one read from the spans alone."""
    found = report(query, question)
    real = reports.source
    with monkeypatch.context() as patched:
        patched.setattr(reports, "source", lambda *given: replace(real(*given), **SPANS_ALONE))
        return found, report(query, question)


def rounded(found: dict) -> dict:
    """Return an answer with the sums of floats that senders told rounded: those depend on the order."""
    for one in found["unpriced"]:
        one["told_usd"] = one["told_usd"] and round(one["told_usd"], 6)
    found["unpriced"].sort(key=repr)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_sums_tell_what_the_spans_tell(served, monkeypatch, seed):
    """Of calls that repeat others, came in pieces, twice or late, or were deleted; for any range."""
    chance = random.Random(seed)
    stream = Stream(served)
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3 + seed)
    begins = midnight - timedelta(hours=2)
    stream.fill(chance, begins, 60)
    stream.send_in_pieces(chance, 4)
    prices = book(midnight.date())
    first_ns = int(begins.timestamp()) * NS
    read = []
    for step in range(2):
        for by in (*chance.sample(AGENTS, 2), *chance.sample(BYS, 3)):
            since_ns = first_ns + chance.choice((0, chance.randrange(3 * 3600 * NS), 1800 * NS))
            until_ns = since_ns + chance.choice((chance.randrange(2 * 3600 * NS), 7200 * NS, 6 * 3600 * NS))
            within = Range(since_ns, until_ns - 1, until_ns)
            question = asked(
                stream, within, by, Pricing(prices), chance.choice(("", "model:gpt-4o", "user:u1"))
            )
            # As where many calls have a step between themselves and their agent.
            monkeypatch.setattr(reports, "FEW_MAX", chance.choice((0, 100_000)))
            statements: list[str] = []

            def query(statement, params, statements=statements):
                statements.append(statement)
                return served.store.query(statement, params)

            mine, theirs = both(monkeypatch, query, question)
            assert rounded(mine) == rounded(theirs), (seed, by, question.where.sql)
            read.append(any("FROM call_sums WHERE" in one and "t_input" in one for one in statements))
        if step == 0:
            user = requests.post(f"{served.url}/api/delete", json={"user": "u1"}, timeout=300)
            assert user.status_code == 200
    assert any(read)


@pytest.mark.slow
def test_a_pair_that_came_apart_counts_once_and_one_that_came_together_is_in_no_sum(served, monkeypatch):
    stream, minute = Stream(served), datetime.now(UTC).replace(minute=5, second=0, microsecond=0)
    at = minute - timedelta(hours=5)
    for apart in (False, True):
        outer = stream.chat("gpt-4o", (9, 9), at=at)
        if apart:
            stream.send()
            stream.request = ExportTraceServiceRequest()
        stream.chat("gpt-4o", (9, 9), at=at, parent=outer)
        if not apart:
            stream.send()
            stream.request = ExportTraceServiceRequest()
    stream.send()
    since_ns = int(at.timestamp()) // TEN_S * TEN_S * NS
    within = Range(since_ns, since_ns + TEN_S * NS - 1, since_ns + TEN_S * NS)
    mine, theirs = both(monkeypatch, served.store.query, asked(stream, within, ("model",), Pricing(Book())))
    assert rounded(mine) == rounded(theirs)
    assert (mine["total"]["calls"], mine["repeated_calls"], mine["total"]["traces"]) == (2, 2, 2)
    held = served.store.query(
        "SELECT sum(Calls) AS calls, sum(Repeated) AS repeated FROM call_sums WHERE ServiceName = {s:String}",
        {"s": stream.service},
    )
    assert held == [{"calls": 3, "repeated": 1}]
    apart_now = served.store.query(SURVEY, survey_params(within))[0]["apart"]
    assert len(apart_now) >= 1


HELD = "SELECT sum(Calls) AS calls, sum(Repeated) AS repeated FROM call_sums WHERE ServiceName = {s:String}"


@pytest.mark.slow
def test_calls_without_a_trace_repeat_none_and_go_from_the_sums_with_their_user(served):
    """Those of others stay in the rows that they are in."""
    stream, user = Stream(served), os.urandom(4).hex()
    for who in (user, "stays"):
        outer = stream.chat("gpt-4o", (5, 5), user__id=who)
        inner = stream.chat("gpt-4o", (5, 5), user__id=who, parent=outer)
        outer.trace_id = inner.trace_id = b""
    stream.send()
    assert served.store.query(HELD, {"s": stream.service}) == [{"calls": 4, "repeated": 0}]
    assert stream.report()["total"]["calls"] == 4
    answer = requests.post(f"{served.url}/api/delete", json={"user": user}, timeout=180)
    assert answer.status_code == 200
    assert served.store.query(HELD, {"s": stream.service}) == [{"calls": 2, "repeated": 0}]


@pytest.mark.slow
def test_agents_go_from_the_sums_with_the_traces_of_their_user(served):
    stream, user = Stream(served), os.urandom(4).hex()
    for who in (user, "stays"):
        runs = {"gen_ai__operation__name": "invoke_agent", "gen_ai__agent__name": stream.service}
        stream.chat(parent=stream.add("root", user__id=who, **runs))
    stream.send()
    held = "SELECT count() AS agents FROM agents WHERE AgentName = {name:String}"
    assert served.store.query(held, {"name": stream.service}) == [{"agents": 2}]
    assert requests.post(f"{served.url}/api/delete", json={"user": user}, timeout=300).status_code == 200
    assert served.store.query(held, {"name": stream.service}) == [{"agents": 1}]
    assert [(name, row["calls"]) for name, row in stream.rows("agent").items()] == [(stream.service, 1)]


@pytest.mark.slow
def test_an_agent_that_comes_after_its_calls_pays_for_them(served):
    """As one that runs does: it is sent when it ends, and what it called is above nothing until then."""
    stream = Stream(served)
    agent = stream.add(
        "root", took_ns=10**12, gen_ai__operation__name="invoke_agent", gen_ai__agent__name="a"
    )
    step = stream.add("step", parent=agent, mlobs__kind="step")
    late = stream.request
    stream.request = ExportTraceServiceRequest()
    stream.chat(parent=agent)
    stream.chat(parent=step)
    stream.chat(parent=agent, gen_ai__agent__name="its own")
    stream.send()
    assert {name: row["calls"] for name, row in stream.rows("agent").items()} == {None: 2, "its own": 1}
    stream.request = late
    stream.send()
    assert {name: row["calls"] for name, row in stream.rows("agent").items()} == {"a": 2, "its own": 1}


def test_every_size_at_which_a_packaged_price_changes_is_told_apart():
    assert set(Book().sizes()) <= set(SIZES)


@pytest.mark.parametrize(
    ("q", "whether"),
    [
        ("", True),
        ("service:x model:y -status:error", True),
        ("provider:a* OR agent:b", True),
        ("duration>1s", False),
        ("user:x", False),  # a fact of the whole trace
        ("attr.a:b", False),
        ('"text"', False),
        ("tokens>5", False),
    ],
)
def test_a_filter_is_answered_from_sums_where_they_have_all_it_reads(q, whether):
    assert fits(spans({"q": q}).sql) is whether


@pytest.mark.slow
def test_a_range_shorter_than_ten_minutes_is_read_from_the_spans(served, monkeypatch):
    stream = Stream(served)
    stream.chat("gpt-4o", (100, 1))
    stream.send()
    now_ns = time.time_ns()
    within = Range(now_ns - 60 * NS, now_ns + 60 * NS, now_ns)
    mine, theirs = both(monkeypatch, served.store.query, asked(stream, within, ("model",), Pricing(Book())))
    assert mine["total"]["calls"] == 1
    assert rounded(mine) == rounded(theirs)


OLD = dedent(
    """
    import json, sys
    from pathlib import Path
    from mlobs.server.store import Store
    from tests.server.earlier import CHATS, LIMITS, earlier

    folder = Path(sys.argv[0]).parent / "store"
    earlier(folder, 5, ["call_sums_view", "call_sums", "agents_view", "agents"], CHATS)
    for _ in range(2):
        store = Store(folder, **LIMITS)
        sums = "sum(Calls) AS calls, sum(TokensInput) AS tokens, uniqExact(Trace) AS traces"
        found = store.query(f"SELECT {sums} FROM call_sums")
        store.close()
    print(json.dumps(found))
    """
)


@pytest.mark.slow
def test_calls_that_were_there_before_are_added_up_once(run_program):
    """Not again at the next start."""
    ended = run_program(OLD)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == [{"calls": 5_000, "tokens": 25_000, "traces": 5_000}]
