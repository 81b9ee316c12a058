"""Removes rows of several tables at once, and waits until they are gone."""

import time
from collections.abc import Mapping
from contextlib import suppress

from mlobs.errors import StoreError
from mlobs.server.engine import Connection, EngineError

PAUSE_SECONDS = 0.02
_ASKED = (
    "SELECT table, concat(table, ' ', mutation_id) AS id, is_done, latest_fail_reason AS reason "
    "FROM system.mutations WHERE database = currentDatabase() AND position(command, {named:String}) > 0"
)


def remove(connection: Connection, conditions: Mapping[str, str], named: str) -> None:
    """Remove rows. When it fails, what is not gone yet stays.

    Args:
        connection: May write.
        conditions: Which rows, by table.
        named: A name in each condition that no other statement has.

    Raises:
        StoreError: The engine refused, or gave up.
    """
    try:
        before = {row["id"] for row in connection.run(_ASKED, {"named": named})}
        for table, condition in conditions.items():
            # One table after the other, each would wait for the parts of those before.
            connection.run(f"ALTER TABLE {table} DELETE WHERE {condition} SETTINGS mutations_sync = 0")
        _wait(connection, named, before, len(conditions))
    except StoreError:
        # Else it would go on without the table that says what is meant.
        with suppress(EngineError):
            connection.run("KILL MUTATION WHERE command LIKE {named:String}", {"named": f"%{named}%"})
        raise


def _wait(connection: Connection, named: str, before: set[str], wanted: int) -> None:
    while True:
        rows = [row for row in connection.run(_ASKED, {"named": named}) if row["id"] not in before]
        if len(rows) < wanted:
            raise StoreError("Somebody stopped what was being deleted; ask again.")
        unfinished = [row for row in rows if not row["is_done"]]
        if not unfinished:
            return
        for row in unfinished:
            if row["reason"]:
                raise EngineError(row["reason"])
            if not connection.far:
                # The embedded engine rewrites four parts, then looks for more after a second or so. This
                # makes it look at once; merges are never stopped there, so it changes nothing else.
                connection.run(f"SYSTEM START MERGES {row['table']}")
        time.sleep(PAUSE_SECONDS)
