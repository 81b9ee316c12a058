"""Rows that rules found, and a folder in which alerting runs on them."""

from mlobs.alerts.alerting import Alerting
from mlobs.settings import AlertSettings, load
from tests.alerts.conftest import NOW_S
from tests.alerts.rounds import tick

SERVER = "http://127.0.0.1:4318"
TRACE = "0af7651916cd43dd8448eb211c80319c"
ALARM_ROW = {
    "service_name": "shop",
    "mlobs_model_name": "churn",
    "mlobs_model_version": "7",
    "mlobs_feature": "age",
    "value": 1,
    "volume": 1,
    "trace_ids": [TRACE],
    "since_s": NOW_S - 60,
}


class House:
    """Alerting that can be stopped and started on the same folder, with a clock set by hand."""

    def __init__(self, folder, ask, url=None, **settings):
        self.folder, self.ask, self.now_s = folder, ask, NOW_S
        secret = "s3cret" if url else None
        self.settings = load(AlertSettings, webhook_url=url, webhook_secret=secret, **settings)
        self.start()

    def start(self):
        self.alerting = Alerting(self.settings, self.ask, self.folder, SERVER, clock=lambda: self.now_s)

    def restart(self):
        self.alerting.stop()
        self.start()

    def later(self, seconds):
        self.now_s += seconds
        return [(one.alert.rule, one.change) for one in tick(self.alerting)]


class Rows:
    """A store that answers the drift rule with rows set by hand, and every other rule with none."""

    def __init__(self, rows=()):
        self.rows = list(rows)
        self.error = None

    def __call__(self, sql, params):
        if self.error is not None:
            raise self.error
        is_about_parts = "ARRAY JOIN pairs" in sql
        return self.rows if "'mlobs.drift.alarm'" in sql and not is_about_parts else []


class Ratio(Rows):
    """A store that answers the rule of failing tools with one share, and every other rule with none."""

    def __call__(self, sql, params):
        if "'execute_tool'" not in sql or "ToolName AS gen_ai_tool_name" not in sql or not self.rows:
            return []
        labels = {"service_name": "shop", "gen_ai_tool_name": "look"}
        return [{**labels, "value": self.rows[0], "volume": 50, "trace_ids": [], "since_s": None}]
