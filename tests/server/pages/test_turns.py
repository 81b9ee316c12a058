"""What sessions and users come to is what their spans come to, whichever way the spans came or went."""

import json
import os
import random
import time
from collections import defaultdict
from textwrap import dedent

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.server.ask.ranges import DAY_NS, NS, Range
from mlobs.server.pages.sessions import asking
from mlobs.server.turns import whole
from tests.server.otlp import post, span

FIELDS = (
    "turns", "failed_turns", "sessions", "spans", "errors", "user", "services", "agents", "input_tokens",
    "output_tokens", "cost_usd", "start_ns", "end_ns",
)  # fmt: skip


def send(served, mark: str, chance: random.Random, now_ns: int) -> list[dict]:
    """Send traces whose spans come in any order, some hours late, and say who it is in some spans only."""
    made = []
    for _ in range(60):
        trace = os.urandom(16)
        began = now_ns - chance.randrange(3 * 3600) * NS - chance.randrange(NS)
        if chance.random() < 0.05:
            began -= 500 * DAY_NS  # Its clock is not believed.
        for number in range(chance.randint(1, 6)):
            model = chance.random() < 0.5
            row = {
                "trace": trace, "root": number == 0, "at": began + number * chance.randrange(50) * NS,
                "took": chance.randrange(1, 90 * NS), "failed": chance.random() < 0.2,
                "session": chance.choice(("", "", f"{mark}-s{chance.randrange(6)}")),
                "user": chance.choice(("", "", f"{mark}-u{chance.randrange(4)}")),
                "agent": chance.choice(("", "planner", "writer")),
                "tokens": chance.choice((None, chance.randrange(1000))) if model else None,
                "cost": chance.choice((None, chance.randrange(100) / 64)) if model else None,
                "model": model,
            }  # fmt: skip
            made.append(row)
    chance.shuffle(made)
    for first in range(0, len(made), 25):
        request = ExportTraceServiceRequest()
        for row in made[first : first + 25]:
            given = {
                "session__id": row["session"], "user__id": row["user"], "gen_ai__agent__name": row["agent"],
                "gen_ai__operation__name": "chat" if row["model"] else "", "mlobs__cost__usd": row["cost"],
                "gen_ai__usage__input_tokens": row["tokens"],
            }  # fmt: skip
            given = {name: value for name, value in given.items() if value not in {"", None}}
            one = span(
                request, "work", trace=row["trace"], parent=b"" if row["root"] else b"p" * 8,
                failed=row["failed"], **given,
            )  # fmt: skip
            one.start_time_unix_nano, one.end_time_unix_nano = row["at"], row["at"] + row["took"]
        assert post(served.url, request.SerializeToString()).status_code == 200
        served.drain()
    return made


def expected(made: list[dict], by: str, within: Range) -> dict[str, dict]:
    """Return the sums of each session or user, added up span by span."""
    shown = [row for row in made if within.since_ns <= row["at"] <= within.until_ns]
    of_trace = defaultdict(list)
    for row in shown:
        of_trace[row["trace"]].append(row)
    found = {}
    for name in {row[by] for row in shown} - {""}:
        traces = [rows for rows in of_trace.values() if any(row[by] == name for row in rows)]
        rows = [row for rows in traces for row in rows]
        tokens = [row["tokens"] for row in rows if row["tokens"] is not None]
        costs = [row["cost"] for row in rows if row["cost"] is not None]
        found[name] = {
            "turns": len(traces), "spans": len(rows), "errors": sum(row["failed"] for row in rows),
            "failed_turns": sum(any(row["failed"] for row in rows) for rows in traces),
            "sessions": len({row["session"] for row in rows} - {""}),
            "user": max(row["user"] for row in rows), "services": ["tests"],
            "agents": sorted({row["agent"] for row in rows} - {""}),
            "input_tokens": sum(tokens) if tokens else None, "output_tokens": None,
            "cost_usd": sum(costs) if costs else None,
            "start_ns": min(row["at"] for row in rows),
            "end_ns": max(row["at"] + row["took"] for row in rows),
        }  # fmt: skip
    return found


def told(served, by: str, names: list[str], within: Range) -> dict[str, dict]:
    rows = asking.listed(served.store, asking.traces(served.store, by, names, within))
    return {row["id"]: {name: row[name] for name in FIELDS} for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_sums_are_those_of_all_spans_and_follow_deletion(served, seed):
    chance, mark, now_ns = random.Random(seed), os.urandom(4).hex(), time.time_ns()
    made = send(served, mark, chance, now_ns)
    ranges = [Range(now_ns - 600 * DAY_NS, now_ns + DAY_NS, now_ns)]
    for _ in range(6):
        begin, end = sorted(now_ns - chance.randrange(3 * 3600 * NS) for _ in range(2))
        ranges.append(Range(begin, end, now_ns))
    ranges.append(Range(now_ns // (60 * NS) * 60 * NS + 7, now_ns // (60 * NS) * 60 * NS + 9, now_ns))
    for gone in ("", f"{mark}-u1"):
        if gone:
            answer = requests.post(f"{served.url}/api/delete", json={"user": gone}, timeout=180)
            assert answer.status_code == 200
            traces = {row["trace"] for row in made if row["user"] == gone}
            made = [row for row in made if row["trace"] not in traces]
        for within in ranges:
            for by in ("session", "user"):
                wanted = expected(made, by, within)
                assert told(served, by, sorted(wanted), within) == wanted
    left = served.store.query("SELECT count() AS n FROM turns WHERE UserId = {u:String}", {"u": f"{mark}-u1"})
    assert left[0]["n"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("sort", ["dearest", "failing", "longest"])
def test_an_order_is_the_same_from_sums_and_from_spans(served, sort):
    """A filter that every span of these passes is asked of the spans."""
    chance, mark, now_ns = random.Random(7), os.urandom(4).hex(), time.time_ns()
    send(served, mark, chance, now_ns)
    lists = []
    for known in ({}, {"q": "name:work"}):
        params = {**known, "sort": sort, "since": "4h", "limit": "200"}
        page = requests.get(f"{served.url}/users", params=params, timeout=60).text
        names = [part.split('"')[0] for part in page.split('data-row="')[1:]]
        lists.append([name for name in names if name.startswith(mark)])
    assert lists[0]
    assert lists[0] == lists[1]


@pytest.mark.slow
@pytest.mark.parametrize(("sort", "rank"), [("slowest", "Duration"), ("dearest", "CostUsd")])
def test_traces_come_in_the_order_of_their_best_spans_page_by_page(served, sort, rank):
    now_ns = time.time_ns()
    send(served, os.urandom(4).hex(), random.Random(8), now_ns)
    begin, end = (
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_ns / NS + ago)) for ago in (-2 * 3600 - 7, -77)
    )
    wanted = served.store.query(
        f"SELECT TraceId AS id FROM otel_traces WHERE Timestamp >= parseDateTimeBestEffort({{begin:String}}) "
        f"AND Timestamp <= parseDateTimeBestEffort({{end:String}}) AND {rank} >= 0 AND isFinite({rank}) "
        f"AND TraceId != '' GROUP BY id ORDER BY max({rank}) DESC, id DESC",
        {"begin": begin, "end": end},
    )
    found, cursor = [], None
    while True:  # Those of other tests are in the range as well.
        params = {
            "sort": sort,
            "from": begin,
            "to": end,
            "limit": "17",
            **({"cursor": cursor} if cursor else {}),
        }
        page = requests.get(f"{served.url}/api/traces", params=params, timeout=60).json()
        found += [row["trace_id"] for row in page["traces"]]
        cursor = page["next"]
        if not cursor:
            break
    assert len(found) > 17
    assert found == [row["id"] for row in wanted]


def test_only_whole_minutes_are_read_from_the_sums():
    within = Range(61 * NS, 299 * NS, 299 * NS)
    assert whole(within, known=True) == {"whole_since_s": 120, "whole_until_s": 240}
    assert whole(within, known=False) == {"whole_since_s": 120, "whole_until_s": 120}
    assert whole(Range(61 * NS, 62 * NS, 62 * NS), known=True) == {"whole_since_s": 120, "whole_until_s": 120}
    ends = Range(120 * NS, 180 * NS - 1, 10**15)
    assert whole(ends, known=True) == {"whole_since_s": 120, "whole_until_s": 180}


OLD = dedent(
    """
    import json, sys
    from pathlib import Path
    from mlobs.server.store import Store
    from tests.server.earlier import LIMITS, earlier, ended_before

    folder = Path(sys.argv[0]).parent / "store"
    earlier(folder, 5, ["turns_view", "turns"], (
        "INSERT INTO otel_traces "
        "(Timestamp, TraceId, SpanId, SpanName, ServiceName, SpanAttributes, Duration) SELECT "
        "now() - toIntervalMinute(number), hex(intDiv(number, 2)), toString(number), 'old', 'app', "
        "map('user.id', toString(number % 10)), 1000 FROM numbers(5000)"
    ))
    if CRASH:
        with ended_before("EXCHANGE TABLES turns"):
            Store(folder, **LIMITS)
    for _ in range(2):
        store = Store(folder, **LIMITS)
        found = store.query("SELECT sum(Spans) AS spans, uniqExact(UserId) AS users FROM turns")[0]
        left = store.query("SELECT count() AS n FROM system.tables WHERE name = 'turns_2'")[0]["n"]
        store.close()
    print(json.dumps([found, left]))
    """
)


@pytest.mark.slow
@pytest.mark.parametrize("crash", [False, True])
def test_spans_that_were_there_before_are_added_up_once(run_program, crash):
    """Also when the first try was interrupted, and not again at the next start."""
    ended = run_program(OLD.replace("CRASH", str(crash)))
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == [{"spans": 5_000, "users": 10}, 0]
