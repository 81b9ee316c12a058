"""Which days of which tables go: those that are too old, then the oldest while all take too much.

For their size, the tables of a signal go together: what was added up of a day's spans goes with them.

Today's and yesterday's are never dropped for their size, so that a limit that is too small shows as a
state of the server and not as data that vanishes while it arrives.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from mlobs.server.upkeep.tables import SIGNALS, UNKNOWN_CLOCK

PARTITIONS = (
    "SELECT table, partition, sum(rows) AS held, sum(bytes_on_disk) AS bytes, "
    "max(modification_time) AS modified FROM system.parts "
    "WHERE database = currentDatabase() AND active AND table IN splitByChar(',', {tables:String}) "
    "GROUP BY table, partition ORDER BY partition, table"
)
KEPT_DAYS = 2


@dataclass(frozen=True)
class Day:
    """What one table holds of one day."""

    table: str
    partition: str
    rows: int
    bytes: int
    modified: date

    @property
    def date(self) -> date:
        """The day; for clocks that are not believed, the day when rows last came or merged."""
        return self.modified if self.partition == UNKNOWN_CLOCK else date.fromisoformat(self.partition)


@dataclass(frozen=True)
class Plan:
    """What is to go, and what is too much even then."""

    drop: tuple[tuple[Day, str], ...]  # With the reason: age or size.
    bytes_too_many: int


def days(rows: Iterable[Mapping[str, object]]) -> list[Day]:
    """Return the answer to PARTITIONS."""
    return [
        Day(
            str(row["table"]),
            str(row["partition"]),
            int(str(row["held"])),
            int(str(row["bytes"])),
            datetime.fromisoformat(str(row["modified"]).replace("Z", "+00:00")).date(),
        )
        for row in rows
    ]


def plan(held: Sequence[Day], today: date, days_kept: Mapping[str, int], bytes_max: int) -> Plan:
    """Return what is to go.

    Args:
        held: Everything there is.
        today: In UTC.
        days_kept: By signal; 0 keeps everything.
        bytes_max: Of all tables together; 0 for no limit.
    """
    by_table = {table: days_kept.get(signal, 0) for signal, tables in SIGNALS.items() for table in tables}
    aged = [
        day
        for day in held
        if by_table.get(day.table) and day.date < today - timedelta(days=by_table[day.table])
    ]
    left = sum(day.bytes for day in held) - sum(day.bytes for day in aged)
    oversized: list[Day] = []
    if bytes_max:
        for together in _by_age(day for day in held if day not in aged):
            newest = max(day.date for day in together)
            if left <= bytes_max or newest > today - timedelta(days=KEPT_DAYS):
                break
            oversized += together
            left -= sum(day.bytes for day in together)
    return Plan(
        (*((day, "age") for day in aged), *((day, "size") for day in oversized)),
        max(0, left - bytes_max) if bytes_max else 0,
    )


def _by_age(held: Iterable[Day]) -> list[list[Day]]:
    """Return what goes together, the oldest first, and of that the spans before what was added up of them."""
    signals = {table: signal for signal, tables in SIGNALS.items() for table in tables}
    found: dict[tuple[str, str], list[Day]] = {}
    for day in sorted(held, key=lambda day: day.table != "otel_traces"):
        found.setdefault((signals[day.table], day.partition), []).append(day)
    return sorted(found.values(), key=lambda days: max(day.date for day in days))
