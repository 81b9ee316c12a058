"""What the tests of this room share: the packaged rules, an outbox, a store with the server's own tables."""

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from mlobs.alerts.catalogue import catalogue
from mlobs.alerts.outbox import Outbox
from mlobs.alerts.rules import Rule
from mlobs.alerts.sql import question
from mlobs.settings import AlertSettings

NOW_S = 1_800_000_000.0
# What adds spans up for pages and reports, or picks some, which no rule asks: most of what an insert costs.
SUMS = ("agents_view", "call_sums_view", "exemplars_view", "minutes_view", "ten_minutes_view", "turns_view")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    """A variable set on the machine must not change what the tests see."""
    for name in AlertSettings.model_fields:
        monkeypatch.delenv(f"MLOBS_ALERT_{name.upper()}", raising=False)


@pytest.fixture
def rules() -> dict[str, Rule]:
    return {rule.name: rule for rule in catalogue(AlertSettings())}


class Tables:
    """The server's tables, filled by hand.

    What is added waits until somebody asks: all the views of a table make an insert of one row as dear as
    one of many.
    """

    def __init__(self, store: Any) -> None:
        self._engine = store.connection()
        self._waiting: dict[str, list[str]] = {}
        self._one_at_a_time = threading.Lock()
        self.store = SimpleNamespace(query=self._filled(store.query), named=self._filled(store.named))
        self.writer = SimpleNamespace(run=self._filled(self._engine.run))

    def _filled(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        def asking(*args: Any, **named: Any) -> Any:
            with self._one_at_a_time:
                for into in list(self._waiting):
                    self._insert(into)
            return ask(*args, **named)

        return asking

    def _add(self, table: str, row: dict[str, str], source: str = "system.one") -> None:
        """Add a row, told as an expression for each column, for every row of the source."""
        into = f"INSERT INTO {table} ({', '.join(row)})"
        with self._one_at_a_time:
            rows = self._waiting.setdefault(into, [])
            rows.append(f"SELECT {', '.join(row.values())} FROM {source}")
            if len(rows) == 50:
                self._insert(into)

    def _insert(self, into: str) -> None:
        self._engine.run(f"{into} {' UNION ALL '.join(self._waiting.pop(into))}")

    def clear(self) -> None:
        self._waiting.clear()
        for table in ("otel_traces", "otel_metrics_gauge", "otel_metrics_sum", "scores"):
            self._engine.run(f"TRUNCATE TABLE {table}")

    def spans(
        self, count: int, *, ago_s: float = 60, duration_s: float = 0.1, trace: str = "", **facts: Any
    ) -> None:
        """Add spans that ended `ago_s` ago; `facts` are service, operation, kind, model, error and so on.

        What has no word of its own is given by `more`, a mapping of attributes. There are `per_step` spans
        every `step_ms`.
        """
        per_step, step_ms = facts.pop("per_step", 1), facts.pop("step_ms", 1)
        attributes = {
            **facts.pop("more", {}),
            "gen_ai.operation.name": facts.get("operation", "chat"),
            "mlobs.kind": facts.get("kind", ""),
            "gen_ai.request.model": facts.get("model", ""),
            "gen_ai.agent.name": facts.get("agent", ""),
            "gen_ai.tool.name": facts.get("tool", ""),
            "error.type": facts.get("error", ""),
            "mlobs.call.state": facts.get("state", ""),
        }
        pairs = ", ".join(f"'{name}', '{value}'" for name, value in attributes.items() if value)
        begin_ms = round((NOW_S - ago_s - duration_s) * 1000)
        row = {
            "Timestamp": f"fromUnixTimestamp64Milli({begin_ms} + intDiv(number, {per_step}) * {step_ms})",
            "TraceId": f"'{trace}'",
            "TraceState": f"'{facts.get('tracestate', '')}'",
            "ServiceName": f"'{facts.get('service', 'shop')}'",
            "SpanAttributes": f"CAST(map({pairs}), 'Map(String, String)')",
            "Duration": str(round(duration_s * 1e9)),
            "StatusCode": "'Error'" if facts.get("error") else "'Unset'",
        }
        self._add("otel_traces", row, f"numbers({count})")

    def point(
        self,
        table: str,
        metric: str,
        value: float,
        *,
        ago_s: float = 5,
        start_ago_s: float = 9000,
        **facts: Any,
    ) -> None:
        """Add one point; `facts` are service, instance, attributes, exemplars and temporality."""
        pairs = ", ".join(f"'{name}', '{text}'" for name, text in facts.get("attributes", {}).items())
        ids = facts.get("exemplars", [])
        row = {
            "ServiceName": f"'{facts.get('service', 'shop')}'",
            "ResourceAttributes": f"map('service.instance.id', '{facts.get('instance', 'one')}')",
            "MetricName": f"'{metric}'",
            "Attributes": f"CAST(map({pairs}), 'Map(String, String)')",
            "TimeUnix": f"fromUnixTimestamp64Milli({round((NOW_S - ago_s) * 1000)})",
            "StartTimeUnix": f"fromUnixTimestamp64Milli({round((NOW_S - start_ago_s) * 1000)})",
            "Value": f"toFloat64({value})",
            "Exemplars.TraceId": f"CAST({ids}, 'Array(String)')",
            "Exemplars.SpanId": f"CAST({[''] * len(ids)}, 'Array(String)')",
            "Exemplars.Value": f"CAST({[0.0] * len(ids)}, 'Array(Float64)')",
            "Exemplars.TimeUnix": f"CAST({[0] * len(ids)}, 'Array(DateTime64(9))')",
            "Exemplars.FilteredAttributes": (
                f"CAST({['{}'] * len(ids)}, 'Array(Map(LowCardinality(String), String))')"
            ).replace("'{}'", "map()"),
        }
        if table == "otel_metrics_sum":
            row["AggregationTemporality"] = str(facts.get("temporality", 2))
        self._add(table, row)

    def answer(self, rule: Rule, *, now_s: float = NOW_S) -> list[dict[str, Any]]:
        asked = question(rule, now_s=now_s)
        assert asked is not None
        rows: list[dict[str, Any]] = self.store.query(asked.sql, asked.params)
        return rows


@pytest.fixture(scope="package")
def _tables(tmp_path_factory) -> Iterator[Tables]:
    store_module = pytest.importorskip("mlobs.server.store")
    store = store_module.Store(
        tmp_path_factory.mktemp("store"), memory_bytes_max=1 << 29, query_seconds_max=120.0
    )
    engine = store.connection()
    for view in SUMS:
        engine.run(f"DROP VIEW IF EXISTS {view}")
    yield Tables(store)
    store.close()


@pytest.fixture
def tables(_tables) -> Tables:
    """Return empty tables."""
    _tables.clear()
    return _tables


@pytest.fixture
def outbox(tmp_path) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "data" / "alerts.sqlite")
    yield box
    box.close()
