"""What the threads of alerting do, done once."""

from collections.abc import Iterable

from mlobs.alerts.alerting import Alerting
from mlobs.alerts.delivery import Courier
from mlobs.alerts.evaluator import Transition
from mlobs.alerts.letters import Message
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.states import Alert


def deliver(courier: Courier) -> int:
    """Attempt what is due for every sink; return how many messages were delivered."""
    return sum(courier.deliver(name) for name in courier.sinks)


def tick(alerting: Alerting) -> list[Transition]:
    """Evaluate, and deliver what is due; return the alerts that changed."""
    changed = alerting.evaluate()
    alerting.telling.wake()
    deliver(alerting.telling.courier)
    return changed


def record(
    outbox: Outbox,
    *messages: Message,
    changed: Iterable[Alert] = (),
    over: Iterable[str] = (),
) -> int:
    """Write what an evaluation finds and what is told of it; return how many messages found no room."""
    with outbox.transaction() as db:
        outbox.write(db, changed=changed, over=over)
        return outbox.put(db, messages).dropped
