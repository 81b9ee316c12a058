"""The range of time a page is about: one of the usual lengths, or from one moment to another."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlobs.server.ask.ranges import DAY_NS, NS, Range, read_range
from mlobs.server.pages.amounts import stamp
from mlobs.server.pages.charts import Axis
from mlobs.server.pages.links import address

NAMES = ("since", "from", "to")
DEFAULT = "24h"
PRESETS = {
    "15m": "15 minutes",
    "1h": "1 hour",
    "6h": "6 hours",
    "24h": "24 hours",
    "7d": "7 days",
    "30d": "30 days",
}
STEPS_WANTED = 90
MINUTE_NS = 60 * NS
_STEPS_NS = (
    *(minutes * MINUTE_NS for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)),
    *(days * DAY_NS for days in (1, 2, 7, 14, 30)),
)


@dataclass(frozen=True, slots=True)
class Period:
    """A range, and how an address says it."""

    range: Range
    given: Mapping[str, str]

    @property
    def preset(self) -> str:
        """Which of the usual lengths it is; "" for another range."""
        since = self.given.get("since", "") if "from" not in self.given else ""
        return since if since in PRESETS else ""

    @property
    def label(self) -> str:
        """What it is called, after "the"."""
        return f"last {PRESETS[self.preset]}" if self.preset else "chosen range"

    @property
    def end_ns(self) -> int:
        """When it ends, now at the latest."""
        return min(self.range.until_ns, self.range.now_ns)

    @property
    def hours(self) -> float:
        """How long it is."""
        return max(1e-9, (self.end_ns - self.range.since_ns) / (3600 * NS))

    @property
    def step_ns(self) -> int:
        """How long one step of a chart is: whole minutes, about as many as a chart has room for."""
        wanted = (self.end_ns - self.range.since_ns) / STEPS_WANTED
        return next((step for step in _STEPS_NS if step >= wanted), _STEPS_NS[-1])

    def axis(self, link: str = "") -> Axis:
        """Return it as the axis of a chart.

        Args:
            link: Where a click on a step leads; empty for nowhere.
        """
        times = range(self.range.since_ns // self.step_ns * self.step_ns, self.end_ns, self.step_ns)
        return Axis(times, self.range.since_ns, self.end_ns, self.step_ns, link)

    def choices(self, path: str, given: Mapping[str, object]) -> list[dict[str, object]]:
        """Return the usual lengths with their addresses, which keep what else was asked."""
        kept = {name: value for name, value in given.items() if name not in {*NAMES, "cursor"}}
        return [
            {
                "name": name,
                "title": f"the last {title}",
                "address": address(path, {**kept, "since": name}),
                "chosen": name == self.preset,
            }
            for name, title in PRESETS.items()
        ]

    @property
    def stamps(self) -> tuple[str, str]:
        """When it begins and ends, in UTC."""
        return stamp(self.range.since_ns), stamp(self.end_ns)


def read_period(given: Mapping[str, str], now_ns: int) -> Period:
    """Return the period that parameters say, the last 24 hours if they say none.

    Raises:
        QueryError: They cannot be read.
    """
    said = {name: given[name] for name in NAMES if given.get(name)}
    found = read_range(said, now_ns, default=DEFAULT)
    if not {"since", "from"} & said.keys():
        said["since"] = DEFAULT
    return Period(found, said)
