"""The tables of the outbox, and how a file of an older version gets them.

Edge: this writes to the disk, inside the transaction it is given. Version 1 had one webhook:
its deliveries, and what was counted, become those of the sink called "webhook". Version 2 had no
`overtaken`, and looked for a newer message of the same alert among the receipts instead.
"""

import sqlite3

VERSION = 3

_TABLES = (
    """CREATE TABLE IF NOT EXISTS alerts (
        fingerprint TEXT PRIMARY KEY,
        alert TEXT NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS deliveries (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        sink TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        rule TEXT NOT NULL,
        status TEXT NOT NULL,
        body BLOB NOT NULL,
        made_s REAL NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead', 'demoted', 'muted')),
        attempts INTEGER NOT NULL DEFAULT 0,
        next_s REAL NOT NULL,
        ended_s REAL,
        answer TEXT NOT NULL DEFAULT '',
        overtaken INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE INDEX IF NOT EXISTS due ON deliveries (sink, next_s, number) WHERE state = 'waiting'",
    "CREATE INDEX IF NOT EXISTS in_order ON deliveries (sink, fingerprint, state, number)",
    "CREATE INDEX IF NOT EXISTS kept ON deliveries (sink, state, number) WHERE state != 'waiting'",
    """CREATE INDEX IF NOT EXISTS retried ON deliveries (sink, next_s)
    WHERE state = 'waiting' AND attempts > 0""",
    """CREATE TABLE IF NOT EXISTS episodes (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        source TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        began_s REAL NOT NULL,
        ended_s REAL,
        shown TEXT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS episodes_of ON episodes (source, fingerprint, number)",
    """CREATE TABLE IF NOT EXISTS outcomes (
        sink TEXT NOT NULL,
        outcome TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (sink, outcome)
    )""",
)
# How many deliveries of a sink are in which state. To count them would cost every webhook and every
# evaluation a scan while a sink is down; triggers also hold when another process writes to the file.
_COUNTING = (
    """CREATE TABLE IF NOT EXISTS held (
        sink TEXT NOT NULL,
        state TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (sink, state)
    )""",
    """CREATE TRIGGER IF NOT EXISTS held_more AFTER INSERT ON deliveries BEGIN
        INSERT INTO held VALUES (NEW.sink, NEW.state, 1)
        ON CONFLICT (sink, state) DO UPDATE SET count = count + 1;
    END""",
    """CREATE TRIGGER IF NOT EXISTS held_less AFTER DELETE ON deliveries BEGIN
        UPDATE held SET count = count - 1 WHERE sink = OLD.sink AND state = OLD.state;
    END""",
    """CREATE TRIGGER IF NOT EXISTS held_changed AFTER UPDATE OF state ON deliveries
    WHEN OLD.state != NEW.state BEGIN
        UPDATE held SET count = count - 1 WHERE sink = OLD.sink AND state = OLD.state;
        INSERT INTO held VALUES (NEW.sink, NEW.state, 1)
        ON CONFLICT (sink, state) DO UPDATE SET count = count + 1;
    END""",
)
_FROM_VERSION_1 = (
    """INSERT INTO deliveries
        (number, id, sink, fingerprint, rule, status, body, made_s, state, attempts, next_s, ended_s, answer)
    SELECT number, id, 'webhook', fingerprint, rule, status, body, made_s, state, attempts, next_s, ended_s,
        answer
    FROM deliveries_1""",
    "INSERT INTO outcomes SELECT 'webhook', outcome, count FROM counts",
    "DROP TABLE deliveries_1",
    "DROP TABLE counts",
)
_FROM_VERSION_2 = (
    "ALTER TABLE deliveries ADD COLUMN overtaken INTEGER NOT NULL DEFAULT 0",
    """UPDATE deliveries SET overtaken = EXISTS (
        SELECT 1 FROM deliveries AS newer WHERE newer.sink = deliveries.sink
        AND newer.fingerprint = deliveries.fingerprint AND newer.number > deliveries.number
        AND newer.state = 'delivered'
    ) WHERE state = 'dead'""",
    "DROP INDEX IF EXISTS receipts",
    "DROP INDEX IF EXISTS dead",
)


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables, or turn those of an older version into them, inside a transaction.

    Raises:
        sqlite3.DatabaseError: A newer version wrote the file.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise sqlite3.DatabaseError(f"a newer mlobs wrote it (version {version}; this one knows {VERSION})")
    columns = {row[1] for row in db.execute("PRAGMA table_info(deliveries)")}
    old = bool(columns) and "sink" not in columns
    if old:
        db.execute("ALTER TABLE deliveries RENAME TO deliveries_1")
        db.execute("DROP INDEX IF EXISTS waiting")
    before = _FROM_VERSION_2 if columns and not old and "overtaken" not in columns else ()
    for statement in (*before, *_TABLES, *_COUNTING, *(_FROM_VERSION_1 if old else ())):
        db.execute(statement)
    if version != VERSION:
        db.execute(f"PRAGMA user_version = {VERSION}")
