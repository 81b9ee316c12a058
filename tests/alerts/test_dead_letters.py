"""What becomes of messages that nobody takes: they are kept, and can be put back."""

from mlobs.alerts import outbox as module
from mlobs.alerts.letters import Buried
from tests.alerts.outboxes import die, message, put


def test_what_waits_for_a_sink_that_is_not_configured_is_a_dead_letter_until_it_is_again(outbox, monkeypatch):
    """Nobody would take it, and it would be shown nowhere as lost."""
    put(outbox, *(message(mark=f"f{n}", sink="old") for n in range(5)), message(sink="chat"))
    assert outbox.bury(["chat", "new"], 50.0) == Buried(letters=5, lost=0)
    assert outbox.held() == {("old", "dead"): 5, ("chat", "waiting"): 1}
    assert {one.answer for one in outbox.recent(sink="old")} == {
        "the sink old is not configured; configure it and put this back with mlobs alerts redrive"
    }
    assert outbox.counts_by_sink() == {("old", "dead"): 5}
    assert outbox.bury(["chat", "new"], 51.0) == Buried(letters=0, lost=0)
    assert len(outbox.redrive(now_s=60.0, sink="old").ids) == 5
    assert len(outbox.due(60.0, sink="old")) == 5
    monkeypatch.setattr(module, "DEAD_MAX", 2)
    assert outbox.bury(["chat"], 70.0) == Buried(letters=5, lost=3)
    assert outbox.held()["old", "dead"] == 2, "it is bounded, too"


def test_all_that_waited_for_a_sink_that_was_renamed_can_be_put_back(outbox):
    """However much it was: the log promises it."""
    put(outbox, *(message(mark=f"f{n}", sink="old") for n in range(12_000)))
    assert outbox.bury(["new"], 50.0) == Buried(letters=12_000, lost=0)
    put(outbox, message(mark="more", sink="old", state="dead"))
    assert len(outbox.redrive(now_s=60.0, sink="old").ids) == 12_001


def test_dead_letters_are_put_back_by_id_sink_or_time(outbox):
    """As if they had never been tried."""
    dead = [message(mark=f"f{n}", sink="ab"[n % 2], changed_s=10.0 * n) for n in range(6)]
    die(outbox, *dead)
    assert outbox.redrive(now_s=100.0, ids=[dead[0].id[:10]]).ids == (dead[0].id,)
    assert outbox.redrive(now_s=100.0, sink="b", since_s=25.0).ids == (dead[3].id, dead[5].id)
    (one,) = outbox.due(100.0, sink="a")
    assert (one.attempts, one.ended_s, one.answer) == (0, None, "put back; before: 404")
    assert outbox.redrive(now_s=100.0).ids == (dead[1].id, dead[2].id, dead[4].id)
    assert outbox.redrive(now_s=100.0).ids == ()


def test_a_firing_that_its_resolved_has_overtaken_is_not_put_back_unless_it_is_meant(outbox):
    """It would stand at the sink as firing for ever."""
    die(outbox, message())
    put(
        outbox,
        message(status="resolved", changed_s=20.0),
        message(status="resolved", changed_s=20.0, sink="b"),
    )
    assert outbox.redrive(now_s=30.0).ids == (message().id,)  # resolved waits behind it
    outbox.settle(message().id, outcome="dead", answer="404", now_s=31.0)
    outbox.settle(
        message(status="resolved", changed_s=20.0).id, outcome="delivered", answer="204", now_s=32.0
    )
    left = outbox.redrive(now_s=40.0)
    assert (left.ids, left.overtaken) == ((), 1)
    assert outbox.redrive(now_s=40.0, overtaken=True).ids == (message().id,)


def test_dead_letters_outlive_other_receipts(outbox, monkeypatch):
    """A thousand deliveries later they can still be put back; but not without end."""
    monkeypatch.setattr(module, "KEPT_MAX", 3)
    monkeypatch.setattr(module, "DEAD_MAX", 4)
    die(outbox, *(message(mark=f"d{n}") for n in range(6)))
    for n in range(9):
        put(outbox, message(mark=f"f{n}"))
        outbox.settle(message(mark=f"f{n}").id, outcome="delivered", answer="204", now_s=11.0)
    assert [len(outbox.recent(state=state)) for state in ("dead", "delivered")] == [4, 3]


def test_receipts_of_one_kind_push_out_no_others(outbox, monkeypatch):
    """A route that mutes thousands must not hide what was delivered, nor one sink what another got."""
    monkeypatch.setattr(module, "KEPT_MAX", 3)
    put(outbox, message(), message(sink="b"))
    for sink in ("webhook", "b"):
        outbox.settle(message(sink=sink).id, outcome="delivered", answer="204", now_s=11.0)
    put(outbox, *(message(mark=f"m{n}", state="muted") for n in range(9)))
    assert len(outbox.recent(state="delivered")) == 2
    assert len(outbox.recent(state="muted")) == 3


def test_that_a_dead_letter_is_overtaken_is_known_however_long_ago_it_was(outbox, monkeypatch):
    """The receipt of the newer message is gone by then."""
    monkeypatch.setattr(module, "KEPT_MAX", 3)
    die(outbox, message())
    over = message(status="resolved", changed_s=20.0)
    put(outbox, over)
    outbox.settle(over.id, outcome="delivered", answer="204", now_s=21.0)
    for n in range(9):
        put(outbox, message(mark=f"f{n}"))
        outbox.settle(message(mark=f"f{n}").id, outcome="delivered", answer="204", now_s=22.0)
    assert over.id not in {one.id for one in outbox.recent()}
    left = outbox.redrive(now_s=40.0)
    assert (left.ids, left.overtaken) == ((), 1)


def test_the_parts_of_one_message_do_not_overtake_each_other(outbox):
    """Each has alerts of its own, and they go in order."""
    parts = [message(part=number) for number in (1, 2, 3)]
    assert len({one.id for one in parts}) == 3
    put(outbox, *parts)
    for one, outcome in zip(parts, ("dead", "delivered", "delivered"), strict=True):
        assert [due.id for due in outbox.due(99.0)] == [one.id]
        outbox.settle(one.id, outcome=outcome, answer="", now_s=30.0)
    assert outbox.redrive(now_s=40.0).ids == (parts[0].id,)
