"""A copy of a running store as one tar file.

    manifest.json                      schema version, when, rows of each table
    tables/otel_traces/20261125_1_9_2/…    the frozen parts

The parts are frozen (hard links, no copy) while no segment is being stored, so that the tables agree
with each other; sending them takes as long as it takes, and what arrives meanwhile is not in them.
"""

import json
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from mlobs.errors import StoreError
from mlobs.server.store import Store

MANIFEST, TABLES_FOLDER = "manifest.json", "tables"
FORMAT_VERSION = 1
CHUNK_BYTES = 1 << 20
HELD = (
    "SELECT name, toString(uuid) AS uuid FROM system.tables "
    "WHERE database = 'mlobs' AND engine LIKE '%MergeTree' AND name != 'deleting' ORDER BY name"
)


class Backup:
    """One backup. Make it, send `chunks()`, then `close()`.

    Args:
        store: What is copied.
        pauses: Entered while parts are frozen, so that nothing is stored meanwhile.
    """

    def __init__(self, store: Store, pauses: list[AbstractContextManager[Any]]) -> None:
        name = f"backup_{uuid4().hex}"  # the engine writes a hyphen otherwise
        self._frozen = store.folder / "shadow" / name
        try:
            with store.writing() as connection, ExitStack() as paused:
                for pause in pauses:
                    paused.enter_context(pause)
                tables = {row["name"]: row["uuid"] for row in connection.run(HELD)}
                for table in tables:
                    connection.run(f"ALTER TABLE {table} FREEZE WITH NAME '{name}'")
                rows = {
                    table: connection.run(f"SELECT count() AS held FROM {table}")[0]["held"]
                    for table in tables
                }
                version = connection.run("SELECT max(Version) AS version FROM schema_version")[0]["version"]
        except BaseException:
            self.close()
            raise
        self._folders = {table: self._frozen / "store" / uuid[:3] / uuid for table, uuid in tables.items()}
        missing = [table for table, folder in self._folders.items() if rows[table] and not folder.is_dir()]
        if missing:
            self.close()
            raise StoreError(f"The engine froze nothing of {', '.join(missing)}; the backup was given up.")
        self.manifest = {
            "format": FORMAT_VERSION,
            "schema": version,
            "made": datetime.now(UTC).isoformat(),
            "rows": rows,
        }

    def chunks(self) -> Iterator[bytes]:
        """Yield the tar file."""
        text = json.dumps(self.manifest, indent=2).encode()
        yield _header(MANIFEST, len(text)) + _padded(text)
        for table, folder in self._folders.items():
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    yield from _file(path, f"{TABLES_FOLDER}/{table}/{path.relative_to(folder).as_posix()}")
        yield tarfile.NUL * (2 * tarfile.BLOCKSIZE)

    def close(self) -> None:
        """Remove the frozen parts."""
        shutil.rmtree(self._frozen, ignore_errors=True)


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
