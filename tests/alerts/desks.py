"""A desk that hears webhooks and tells a sink, with a clock set by hand."""

import json

from mlobs.alerts.outbox import Outbox
from mlobs.alerts.receive import ledger
from mlobs.alerts.receive.changes import REORDERED_US_MAX
from mlobs.alerts.receive.formats import read
from mlobs.alerts.receive.inbox import Inbox
from mlobs.alerts.routing import memory
from mlobs.alerts.routing.config import Route
from mlobs.alerts.routing.dispatcher import Dispatcher
from mlobs.alerts.routing.router import Router
from tests.alerts.webhooks import alertmanager, encoded

NOW_S = 1_700_000_000.0
BEGAN_S = NOW_S - 3600
WINDOW_S = REORDERED_US_MAX / 1e6 + 1
BOTH = [("firing", None), ("resolved", None)]


class Desk:
    """An inbox and what delivers, on a file; it can be started again."""

    def __init__(self, folder, *routes):
        self.folder, self.now_s = folder, NOW_S
        self.routes = [Route.model_validate(one) for one in routes or [{"sinks": ["hook"]}]]
        self.start()

    def start(self):
        self.outbox = Outbox(self.folder / "alerts.sqlite", extra_schema=(memory.SCHEMA, ledger.SCHEMA))
        self.dispatcher = Dispatcher(Router(self.routes), ["hook", "chat"], self.outbox)
        self.inbox = Inbox(self.outbox, self.dispatcher, lambda: self.now_s)
        self.inbox.start()

    def stop(self):
        self.inbox.stop()
        self.outbox.close()

    def hears(self, *alerts, form=alertmanager, after_s=1.0):
        self.now_s += after_s
        self.inbox.take(read(encoded(form(*alerts))), None).result(60)

    def bodies(self):
        return [
            json.loads(text) for (text,) in self.outbox.read("SELECT body FROM deliveries ORDER BY number")
        ]

    def told(self):
        return [(body["status"], body.get("notice")) for body in self.bodies()]
