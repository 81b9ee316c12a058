"""What routing remembers, in SQLite as in the process."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.outbox import Outbox
from mlobs.alerts.routing import memory
from mlobs.alerts.routing.config import Route
from mlobs.alerts.routing.dispatcher import Dispatcher
from mlobs.alerts.routing.memory import Memory
from mlobs.alerts.routing.router import Router
from tests.alerts.remembered import Remembered
from tests.alerts.routed import NOW_S, message

SINKS = ("chat", "mail")
NAMES = st.sampled_from(["", "a", "b"])
STEPS = st.one_of(
    st.tuples(
        st.just("put"), NAMES, NAMES, NAMES, st.integers(0, 9), st.none() | st.integers(0, 9).map(float)
    ),
    st.tuples(st.just("drop"), NAMES, NAMES, st.none() | NAMES),
    st.tuples(st.just("due"), st.integers(0, 9).map(float)),
)


@given(st.lists(STEPS, max_size=40))
def test_both_memories_are_the_same(steps):
    """So what is proved of the router with one holds with the other."""
    db = sqlite3.connect(":memory:")
    db.executescript(memory.SCHEMA)
    kept, remembered = Memory(db), Remembered()
    for step in steps:
        for state in (kept, remembered):
            match step:
                case "put", kind, of, key, value, due_s:
                    state.put(kind, of, key, {"value": value}, due_s=due_s)
                case "drop", kind, of, key:
                    state.drop(kind, of, key)
        if step[0] == "due":
            assert kept.due(step[1]) == remembered.due(step[1])
        for kind in ("", "a", "b"):
            for of in ("", "a", "b"):
                assert kept.rows(kind, of) == remembered.rows(kind, of)
                assert kept.count(kind, of) == remembered.count(kind, of)
                assert kept.get(kind, of, "a") == remembered.get(kind, of, "a")


@pytest.fixture
def outbox(tmp_path):
    outbox = Outbox(tmp_path / "alerts.sqlite", extra_schema=(memory.SCHEMA,))
    yield outbox
    outbox.close()


def dispatcher(outbox: Outbox, **route: object) -> Dispatcher:
    return Dispatcher(Router([Route.model_validate({"sinks": ["chat"], **route})]), SINKS, outbox)


def test_a_group_that_waits_is_told_after_a_restart(outbox):
    """The wait is in the file."""
    with outbox.transaction() as db:
        dispatcher(outbox, group_wait_s=30).dispatch(db, [message("a"), message("b")], NOW_S)
    assert outbox.recent() == []
    dispatcher(outbox, group_wait_s=30).wake(NOW_S + 31)
    (one,) = outbox.recent()
    assert (one.sink, one.state) == ("chat", "waiting")


def test_what_is_rolled_back_was_never_remembered(outbox):
    """Neither the message nor the page that it cost."""
    routes = dispatcher(outbox, pages_per_week=1, demote_to="mail")
    broken = {**message("a"), "value": object()}
    with pytest.raises(TypeError), outbox.transaction() as db:
        routes.dispatch(db, [message("a"), broken], NOW_S)
    with outbox.transaction() as db:
        routes.dispatch(db, [message("b")], NOW_S + 1)
    assert [(one.sink, one.state) for one in outbox.recent()] == [("chat", "waiting")]


def test_several_changes_of_an_alert_at_one_moment_are_several_messages(outbox):
    """A moment is longer than a webhook."""
    changes = [message("a"), message("a", "resolved"), message("a")]
    with outbox.transaction() as db:
        dispatcher(outbox).dispatch(db, changes, NOW_S)
    assert [one.status for one in reversed(outbox.recent())] == ["firing", "resolved", "firing"]


def test_what_one_route_mutes_the_other_still_sends_to_the_same_sink(outbox):
    """With a receipt for the one and a message for the other."""
    flap = {"changes": 2, "within_s": 100, "calm_s": 100}
    routes = Router(
        [
            Route.model_validate({"sinks": ["chat"], "flap": flap, "continue": True}),
            Route.model_validate({"sinks": ["chat"]}),
        ]
    )
    with outbox.transaction() as db:
        changes = [message("a", status) for status in ("firing", "resolved", "firing")]
        Dispatcher(routes, SINKS, outbox).dispatch(db, changes, NOW_S)
    states = [(one.status, one.state) for one in reversed(outbox.recent())]
    assert states.count(("firing", "waiting")) == 2
    assert states.count(("firing", "muted")) == 1
