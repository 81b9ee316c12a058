"""Drops what is too old or too much, once a minute, and measures what the store holds."""

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime

from mlobs.errors import StoreError
from mlobs.semconv import metrics as m
from mlobs.server.counts import Counts
from mlobs.server.store import Store
from mlobs.server.upkeep.retention import PARTITIONS, Day, Plan, days, plan
from mlobs.server.upkeep.tables import SIGNALS, TIMES
from mlobs.server.wire import TABLES
from mlobs.settings import ServerSettings

INTERVAL_SECONDS = 60.0

log = logging.getLogger("mlobs.server")


class Keeper:
    """Keeps the store within its limits.

    Args:
        store: Whose partitions are dropped.
        settings: How long each signal is kept, and how much of all.
        counts: Where rows that went are counted.
    """

    def __init__(self, store: Store, settings: ServerSettings, counts: Counts) -> None:
        self._store = store
        self._counts = counts
        self._days_kept: Mapping[str, int] = {
            "traces": settings.traces_days,
            "logs": settings.logs_days,
            "metrics": settings.metrics_days,
        }
        self._bytes_max = settings.store_bytes_max
        self.failure: str | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin; the first look is now."""
        self._thread.start()

    def stop(self) -> None:
        """End, after what is being dropped."""
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()

    def keep(self) -> Plan:
        """Look once, and drop what is to go.

        Raises:
            StoreError: The engine refused.
        """
        with self._store.writing() as connection:  # On a cluster, readers see other tables.
            held = days(connection.run(PARTITIONS, {"tables": ",".join(TIMES)}))
        for signal, tables in SIGNALS.items():
            of_signal = sum(day.bytes for day in held if day.table in tables)
            self._counts.set(m.SERVER_STORED_BYTES, signal, to=of_signal)
        chosen = plan(held, datetime.now(UTC).date(), self._days_kept, self._bytes_max)
        if chosen.drop and self._store.sharded:
            self.failure = (
                "The tables are on a cluster: old days are not dropped from here. Give the tables a TTL "
                "there, and unset MLOBS_TRACES_DAYS, MLOBS_LOGS_DAYS, MLOBS_METRICS_DAYS and "
                "MLOBS_STORE_BYTES_MAX."
            )
            return chosen
        if chosen.drop:
            with self._store.writing() as connection:
                for day, reason in chosen.drop:
                    connection.run(f"ALTER TABLE {day.table} DROP PARTITION '{day.partition}'")
                    self._dropped(day, reason)
        self.failure = (
            f"The last two days take {chosen.bytes_too_many} bytes more than MLOBS_STORE_BYTES_MAX allows; "
            f"raise it, or send less."
            if chosen.bytes_too_many
            else None
        )
        return chosen

    def _dropped(self, day: Day, reason: str) -> None:
        signal = next(name for name, tables in SIGNALS.items() if day.table in tables)
        if day.table in TABLES[signal]:  # Of the others, no row arrived: they are sums of those that did.
            self._counts.add(m.SERVER_EXPIRED, signal, reason, by=day.rows)
        log.info("%s of %s went for its %s: %d rows", day.table, day.partition, reason, day.rows)

    def _run(self) -> None:
        while True:
            try:
                self.keep()
            except StoreError as error:
                self.failure = f"Old data cannot be dropped: {error}"
                log.warning("old data cannot be dropped: %s", error)
            except Exception as error:  # Whatever it is, the next look may succeed.
                self.failure = f"Old data cannot be dropped: {type(error).__name__}"
                log.exception("old data cannot be dropped")
            if self._ended.wait(INTERVAL_SECONDS):
                return
