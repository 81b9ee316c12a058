"""The file that remembers what must be told."""

import pytest

from mlobs.alerts import outbox as module
from mlobs.alerts.outbox import Message, Outbox
from mlobs.alerts.states import Alert, Finding
from mlobs.errors import StoreError

ALERT = Alert(
    rule="MlobsTest",
    state="firing",
    active_s=1.0,
    seen_s=2.0,
    firing_s=1.5,
    finding=Finding(
        labels={"service_name": "Ä\ud800"}, value=0.5, volume=3, trace_ids=("aa", "bb"), since_s=0.1
    ),
)


def message(mark="f1", status="firing", changed_s=10.0, body=b"{}") -> Message:
    return Message(fingerprint=mark, rule="MlobsTest", status=status, changed_s=changed_s, body=body)


@pytest.fixture
def outbox(tmp_path):
    box = Outbox(tmp_path / "data" / "alerts.sqlite")
    yield box
    box.close()


def again(outbox: Outbox) -> Outbox:
    """Return the same file, opened by somebody else."""
    return Outbox(outbox.path)


def put(outbox: Outbox, *messages: Message) -> int:
    return outbox.record(changed=[], over=[], messages=messages)


def test_alerts_come_back_as_they_were(outbox):
    """After a restart nobody is told again of what he knows."""
    outbox.record(changed=[ALERT], over=[], messages=[])
    assert again(outbox).alerts() == [ALERT]
    outbox.record(changed=[], over=[ALERT.fingerprint], messages=[])
    assert again(outbox).alerts() == []


def test_the_same_change_is_never_queued_twice(outbox):
    """Neither by a repeat nor after a restart."""
    put(outbox, message())
    put(again(outbox), message())
    assert [one.id for one in outbox.due(99.0)] == [message().id]
    outbox.settle(message().id, outcome="delivered", answer="204", now_s=11.0)
    put(outbox, message())
    assert outbox.due(99.0) == []


def test_delivery_ids_differ_between_changes(outbox):
    """The receiver drops what has an id it knows; the next episode must have another."""
    ids = {message().id, message(status="resolved").id, message(changed_s=11.0).id, message(mark="f2").id}
    assert len(ids) == 4


def test_of_one_alert_the_oldest_goes_first_and_the_rest_wait_for_it(outbox):
    """Resolved before firing would leave it firing at the receiver, for good."""
    put(outbox, message(), message(status="resolved", changed_s=20.0), message(mark="f2", changed_s=30.0))
    assert [(one.status, one.made_s) for one in outbox.due(99.0)] == [("firing", 10.0), ("firing", 30.0)]
    outbox.settle(message().id, outcome="failed", answer="503", now_s=40.0, again_s=1000.0)
    assert [one.made_s for one in outbox.due(99.0)] == [30.0]
    outbox.settle(message().id, outcome="dead", answer="given up", now_s=1001.0)
    assert [one.made_s for one in outbox.due(2000.0)] == [20.0, 30.0]


def test_a_failed_attempt_waits_for_its_time_and_counts(outbox):
    """Attempts and outcomes are receipts: they outlive the process."""
    put(outbox, message())
    outbox.settle(message().id, outcome="failed", answer="503", now_s=11.0, again_s=50.0)
    assert outbox.due(49.0) == []
    (one,) = again(outbox).due(50.0)
    assert (one.attempts, one.answer, one.state) == (1, "503", "waiting")
    outbox.settle(message().id, outcome="delivered", answer="204", now_s=51.0)
    (receipt,) = again(outbox).recent()
    assert (receipt.state, receipt.attempts, receipt.ended_s) == ("delivered", 2, 51.0)
    assert outbox.counts()["delivered"] == outbox.counts()["failed"] == 1


def test_a_full_outbox_drops_the_newest_and_says_how_many(outbox, monkeypatch):
    """A sink that is down for weeks must not fill the disk."""
    monkeypatch.setattr(module, "WAITING_MAX", 3)
    assert put(outbox, *(message(mark=f"f{n}") for n in range(5))) == 2
    assert len(outbox.due(99.0)) == 3
    assert outbox.counts()["dropped"] == 2


def test_old_receipts_are_removed(outbox, monkeypatch):
    """The last ones are enough."""
    monkeypatch.setattr(module, "KEPT_MAX", 5)
    for n in range(20):
        put(outbox, message(mark=f"f{n}"))
        outbox.settle(message(mark=f"f{n}").id, outcome="delivered", answer="204", now_s=11.0)
    assert len(outbox.recent()) == 5


def test_a_change_and_its_message_are_written_together_or_not_at_all(outbox):
    """An alert that is known to fire and of which nobody was told would stay untold."""
    with pytest.raises(StoreError):
        outbox.record(changed=[ALERT], over=[], messages=[message(body={"not": "bytes"})])
    assert outbox.alerts() == []
    assert outbox.due(99.0) == []


def test_a_damaged_file_is_one_sentence(tmp_path):
    """Which file, and what to do with it."""
    path = tmp_path / "alerts.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match=r"alerts.sqlite cannot be read or written: file is not a database"):
        Outbox(path)
    with pytest.raises(StoreError, match="If the file is damaged, move it away; alerts then begin anew"):
        Outbox(path)
