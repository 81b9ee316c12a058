"""Sums of the spans that were there: what a server that is killed has filled is not filled again."""

import hashlib
import json
import re
from itertools import pairwise
from textwrap import dedent

import pytest

from mlobs.server.costs.summed import call_sums_view
from mlobs.server.filling import BATCH_SPANS, DAY_S, HOUR_S, TEN_S, batches
from mlobs.server.migrations import newest_version

DAY = 20_000 * DAY_S


def tens(spans: dict[int, int]) -> list[dict[str, int]]:
    return [{"ten_s": DAY + at, "spans": held} for at, held in sorted(spans.items())]


def edges(found: list[str]) -> list[tuple[int, int]]:
    """Return what batches cover, as seconds after the first day's begin."""
    seconds = ([int(second) for second in re.findall(r"toDateTime64\((\d+), 9", one)] for one in found)
    return [(begin - DAY, end - DAY) for begin, end in seconds]


def test_batches_have_every_span_once_and_none_has_two_days():
    spans = dict.fromkeys(range(0, 3 * DAY_S, 1_800), BATCH_SPANS // 7) | {5 * DAY_S + 600: 1}
    found = edges(list(batches(tens(spans))))
    assert all(begin // DAY_S == (end - 1) // DAY_S for begin, end in found)
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    for at in spans:
        assert sum(begin <= at and at + TEN_S <= end for begin, end in found) == 1


def test_hours_go_together_until_there_are_enough_spans():
    assert edges(list(batches(tens({0: 1, HOUR_S: 1, 3 * HOUR_S: BATCH_SPANS - 2, 4 * HOUR_S: 1})))) == [
        (0, 4 * HOUR_S),
        (4 * HOUR_S, 5 * HOUR_S),
    ]
    assert list(batches([])) == []


def test_an_hour_with_more_spans_than_memory_has_room_for_is_cut():
    busy = {HOUR_S + at: BATCH_SPANS // 2 for at in range(0, HOUR_S, TEN_S)}
    busy[HOUR_S] = 3 * BATCH_SPANS
    assert edges(list(batches(tens({0: 1, **busy, 2 * HOUR_S: 1})))) == [
        (0, HOUR_S),
        (HOUR_S, HOUR_S + TEN_S),
        (HOUR_S + TEN_S, HOUR_S + 3 * TEN_S),
        (HOUR_S + 3 * TEN_S, HOUR_S + 5 * TEN_S),
        (HOUR_S + 5 * TEN_S, 3 * HOUR_S),
    ]


def test_how_calls_are_added_up_changes_with_the_schema_only():
    """Sizes, tiers and cuts are in rows that are stored.

    Others need a step of the schema that empties `call_sums`, which is then filled anew. Write its version
    and the new digest here.
    """
    digest = hashlib.sha256(call_sums_view().encode()).hexdigest()[:16]
    assert (newest_version(), digest) == (8, "e3af5b9a2a27067d")


KILLED = dedent(
    """
    import json, sys
    from pathlib import Path
    from mlobs.server.engine import Connection
    from mlobs.server.store import Store
    from tests.server.earlier import LIMITS, earlier

    folder = Path(sys.argv[0]).parent / "store"
    late = ["turns_view", "turns", "call_sums_view", "call_sums", "agents_view", "agents"]
    earlier(folder, 5, late, (
        "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ServiceName, SpanAttributes) SELECT "
        "toStartOfDay(now()) - toIntervalHour(number % 96), lower(hex(number % 96)), toString(number), 'a', "
        "map('gen_ai.operation.name', if(number < 96, 'chat', 'invoke_agent'), 'gen_ai.agent.name', 'a', "
        "'gen_ai.usage.input_tokens', '5') FROM numbers(192)"
    ))
    real, sent = Connection.run, []

    def killed(connection, statement, params=None):
        table = statement.split(" ")[2] if statement.startswith("INSERT INTO") else ""
        if table in ("turns_2", "agents_2", "call_sums_2"):
            sent.append(table)
            if len(sent) == LAST:
                # As much of it as an end of the process in between may leave.
                real(connection, statement.replace("WHERE ClockKnown", "WHERE ClockKnown AND SpanId < '5'"))
                raise KeyboardInterrupt
        if statement.startswith("DROP TABLE IF EXISTS turns_2") and DROPPED:
            raise KeyboardInterrupt
        return real(connection, statement, params)

    Connection.run = killed
    try:
        Store(folder, **LIMITS).close()
    except KeyboardInterrupt:
        sent.append("killed")
    LAST, DROPPED = 0, False
    for _ in range(2):
        store = Store(folder, **LIMITS)
        found = [
            store.query("SELECT sum(Spans) AS held, uniqExact(TraceId) AS traces FROM turns"),
            store.query("SELECT count() AS held, uniqExact(Trace) AS traces FROM agents"),
            store.query("SELECT sum(Calls) AS held, uniqExact(Trace) AS traces FROM call_sums"),
            store.query("SELECT name FROM system.tables WHERE database = 'mlobs' AND endsWith(name, '_2')"),
        ]
        store.close()
    print(json.dumps([sent, *found]))
    """
)
HELD = [{"held": 96, "traces": 96}]
SPANS = [{"held": 192, "traces": 96}]
TURNS, AGENTS, CALLS, END = ["turns_2"], ["agents_2"], ["call_sums_2"], ["killed"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (3, TURNS * 3 + END + TURNS * 3 + AGENTS * 5 + CALLS * 5),
        (8, TURNS * 5 + AGENTS * 3 + END + AGENTS * 3 + CALLS * 5),
        (13, TURNS * 5 + AGENTS * 5 + CALLS * 3 + END + CALLS * 3),
    ],
)
def test_a_killed_server_goes_on_with_the_day_where_it_ended(run_program, last, expected):
    """Five days have spans; the day that was begun is filled again, and none before it."""
    ended = run_program(f"LAST, DROPPED = {last}, False\n{KILLED}")
    assert ended.returncode == 0, ended.stderr
    statements, turns, agents, calls, left = json.loads(ended.stdout)
    assert statements == expected
    assert (turns, agents, calls, left) == (SPANS, HELD, HELD, [])


@pytest.mark.slow
def test_what_was_left_of_filling_goes_at_the_next_start(run_program):
    """The server was killed when the tables had changed places, and before the old one was dropped."""
    ended = run_program(f"LAST, DROPPED = 0, True\n{KILLED}")
    assert ended.returncode == 0, ended.stderr
    statements, turns, agents, calls, left = json.loads(ended.stdout)
    assert statements == TURNS * 5 + END + AGENTS * 5 + CALLS * 5
    assert (turns, agents, calls, left) == (SPANS, HELD, HELD, [])
