"""Messages in an outbox, for its tests."""

from mlobs.alerts.letters import Message
from mlobs.alerts.outbox import Outbox
from tests.alerts.rounds import record


def message(mark="f1", status="firing", changed_s=10.0, body=b"{}", **given) -> Message:
    """Return one change of one alert's state."""
    return Message(fingerprint=mark, rule="MlobsTest", status=status, changed_s=changed_s, body=body, **given)


def reopened(outbox: Outbox) -> Outbox:
    """Return the same file, opened by somebody else."""
    return Outbox(outbox.path)


def put(outbox: Outbox, *messages: Message) -> int:
    """Add messages; return how many found no room."""
    return record(outbox, *messages)


def die(outbox: Outbox, *messages: Message) -> None:
    """Add messages that their sinks refuse."""
    put(outbox, *messages)
    for one in messages:
        outbox.settle(one.id, outcome="dead", answer="404", now_s=one.changed_s + 1)
