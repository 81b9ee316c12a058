"""A copy of a running store as one tar file.

    manifest.json                          schema version, when, rows of each table
    tables/otel_traces/20261125_1_9_2/…    the frozen parts
    files/alerts.sqlite                    SQLite files beside the store: alerts, deliveries, silences

The parts are frozen (hard links, no copy) while no segment is being stored, so that the tables agree
with each other; sending them takes as long as it takes, and what arrives meanwhile is not in them. The SQLite
files are copied right after, each as it is at one moment, whoever writes to it meanwhile.
"""

import json
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from mlobs.errors import StoreError
from mlobs.server.store import Store

MANIFEST, TABLES_FOLDER, FILES_FOLDER = "manifest.json", "tables", "files"
FILES = "*.sqlite"
BUSY_SECONDS = 30.0
FORMAT_VERSION = 1
CHUNK_BYTES = 1 << 20
PREFIX = "backup_"  # The engine writes a hyphen otherwise.
HELD = (
    "SELECT name, toString(uuid) AS uuid, engine FROM system.tables WHERE database = 'mlobs' "
    "AND engine LIKE '%MergeTree' AND NOT startsWith(name, 'deleting_') ORDER BY name"
)


class Backup:
    """One backup. Make it, send `chunks()`, then `close()`.

    Args:
        store: What is copied.
        pauses: Entered while parts are frozen, so that nothing is stored meanwhile.
    """

    def __init__(self, store: Store, pauses: list[AbstractContextManager[Any]]) -> None:
        name = f"{PREFIX}{uuid4().hex}"
        self._frozen = store.folder / "shadow" / name
        try:
            with store.writing() as connection, ExitStack() as paused:
                for pause in pauses:
                    paused.enter_context(pause)
                held = connection.run(HELD)
                for row in held:
                    connection.run(f"ALTER TABLE {row['name']} FREEZE WITH NAME '{name}'")
                version = connection.run("SELECT max(Version) AS version FROM schema_version")[0]["version"]
            self._files = _copied(store.folder.parent, self._frozen / FILES_FOLDER)
        except BaseException:
            self.close()
            raise
        self._folders = {row["name"]: self._frozen / "store" / row["uuid"][:3] / row["uuid"] for row in held}
        rows = {table: _rows(folder) for table, folder in self._folders.items()}
        if not rows.get("schema_version"):
            self.close()
            raise StoreError("The engine froze nothing where it was looked for; the backup was given up.")
        self.manifest = {
            "format": FORMAT_VERSION,
            "schema": version,
            "made": datetime.now(UTC).isoformat(),
            "rows": rows,
            # Rows of the others become fewer when parts merge.
            "counted": [row["name"] for row in held if row["engine"] == "MergeTree"],
        }

    def chunks(self) -> Iterator[bytes]:
        """Yield the tar file."""
        text = json.dumps(self.manifest, indent=2).encode()
        yield _header(MANIFEST, len(text)) + _padded(text)
        for table, folder in self._folders.items():
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    yield from _file(path, f"{TABLES_FOLDER}/{table}/{path.relative_to(folder).as_posix()}")
        for path in self._files:
            yield from _file(path, f"{FILES_FOLDER}/{path.name}")
        yield tarfile.NUL * (2 * tarfile.BLOCKSIZE)

    def close(self) -> None:
        """Remove the frozen parts."""
        shutil.rmtree(self._frozen, ignore_errors=True)


def forget(folder: Path) -> None:
    """Remove frozen parts that a process left behind; no backup may be running.

    Args:
        folder: Of the store.
    """
    for left in (folder / "shadow").glob(f"{PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)


def _copied(folder: Path, target: Path) -> list[Path]:
    """Copy the SQLite files of a folder; return the copies.

    Raises:
        StoreError: One cannot be read, or the disk is full.
    """
    copies = []
    for path in sorted(folder.glob(FILES)):
        copy = target / path.name
        try:
            target.mkdir(parents=True, exist_ok=True)
            # An address, for a name may have any character in it.
            source = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
            with closing(source), closing(sqlite3.connect(copy)) as made:
                source.backup(made)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{path} cannot be copied: {error}; the backup was given up.") from error
        copies.append(copy)
    return copies


def _rows(folder: Path) -> int:
    return sum(int(count.read_text()) for count in folder.glob("*/count.txt"))


def _file(path: Path, name: str) -> Iterator[bytes]:
    size = path.stat().st_size
    yield _header(name, size)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
    yield tarfile.NUL * (-size % tarfile.BLOCKSIZE)


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o600
    return member.tobuf(tarfile.PAX_FORMAT)


def _padded(data: bytes) -> bytes:
    return data + tarfile.NUL * (-len(data) % tarfile.BLOCKSIZE)
