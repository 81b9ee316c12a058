"""An outbox, the courier that empties it, and sinks that answer what they are told."""

import pytest

from mlobs.alerts.delivery import Courier
from mlobs.alerts.letters import Message
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.sinks.answer import Answer
from mlobs.alerts.sinks.building import webhook as webhook_sink
from tests.alerts.rounds import deliver, record
from tests.alerts.sink import webhook

SECRET = "s3cret"
START_S = 1_700_000_000.0


def message(status="firing", mark="f", sink="webhook", changed_s=START_S):
    body = b'{"status":"%s"}' % status.encode()
    return Message(fingerprint=mark, rule="R", status=status, changed_s=changed_s, body=body, sink=sink)


class Post:
    """An outbox, a courier and a clock that stands."""

    def __init__(self, folder, url, attempts_max=3, **others):
        self.now_s = START_S
        self.outbox = Outbox(folder / "alerts.sqlite")
        self.courier = Courier(
            self.outbox,
            {"webhook": webhook_sink(url, SECRET), **others},
            attempts_max=attempts_max,
            clock=lambda: self.now_s,
            steady=lambda: self.now_s,
            jitter=lambda: 1.0,
        )

    def put(self, status="firing", **given):
        one = message(status, changed_s=self.now_s, **given)
        record(self.outbox, one)

    def deliver(self):
        return deliver(self.courier)

    def receipts(self):
        return [(one.state, one.attempts, one.answer) for one in self.outbox.recent()]

    def state(self, sink="webhook"):
        return next(one for one in self.courier.now() if one["sink"] == sink)


class Says:
    """A sink that answers what it is told."""

    kind, address, gap_s = "test", "test", 0.0

    def __init__(self, answer=None):
        self.answer = answer or Answer("delivered", "ok")
        self.sent = []

    def send(self, delivery_id, body, *, now_s):
        self.sent.append(delivery_id)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def sink():
    with webhook() as seen:
        yield seen
