"""A router that is told of alerts, for tests of what becomes of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from mlobs.alerts.message import iso
from mlobs.alerts.routing.config import Route
from mlobs.alerts.routing.notices import EMPTY
from mlobs.alerts.routing.plans import Planned
from mlobs.alerts.routing.router import Router
from tests.alerts.remembered import Remembered

NOW_S = 1_700_000_000.0
BUDGET = {"name": "r", "sinks": ["pager"], "pages_per_week": 2, "demote_to": "chat"}
BERLIN = {"from": "22:00", "to": "07:00", "time_zone": "Europe/Berlin"}


def message(
    name: str = "a", status: str = "firing", *, severity: str = "warning", **labels: str
) -> dict[str, Any]:
    return {
        **EMPTY,
        "source": "mlobs",
        "status": status,
        "rule": "Rule",
        "severity": severity,
        "title": f"{name} is broken",
        "summary": f"{name} is broken",
        "labels": {"name": name, **labels},
        "since": iso(NOW_S),
        "started": iso(NOW_S),
        "resolved": iso(NOW_S + 60) if status == "resolved" else None,
        "fingerprint": name,
    }


def shown(planned: tuple[Planned, ...]) -> list[tuple[str, str, str]]:
    return [(one.sink, one.kind, one.message["status"]) for one in planned]


class Routed:
    """A router with a memory and a clock."""

    def __init__(self, *routes: dict[str, Any], machines: Sequence[str] = ()) -> None:
        self.machines = machines
        self.use(*routes)
        self.state = Remembered()
        self.now_s = NOW_S

    def use(self, *routes: dict[str, Any]) -> None:
        self.router = Router([Route.model_validate(route) for route in routes], self.machines)

    def tell(self, *given: Any, after_s: float = 1.0, **more: Any) -> list[tuple[str, str, str]]:
        self.now_s += after_s
        return shown(self.router.plan(message(*given, **more), self.state, self.now_s))

    def wake(self, after_s: float) -> tuple[Planned, ...]:
        self.now_s += after_s
        return tuple(one for plan in self.router.wake(self.state, self.now_s) for one in plan)


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()
