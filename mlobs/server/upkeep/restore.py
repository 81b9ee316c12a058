"""Makes a store of a backup: on an empty folder, with no server on it."""

import json
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from mlobs.errors import StoreError
from mlobs.server.engine import Connection, literal
from mlobs.server.migrations import newest_version
from mlobs.server.store import Store
from mlobs.server.upkeep.backup import FORMAT_VERSION, MANIFEST, TABLES_FOLDER
from mlobs.settings import ServerSettings

NOT_ATTACHED = ("schema_version", "canonical_columns")  # A new store has its own.


def restore(file: Path, settings: ServerSettings) -> dict[str, int]:
    """Restore a backup into the data folder of `settings`; return the rows by table.

    Raises:
        StoreError: The file is no backup, or of a newer release, or the folder is not empty.
    """
    folder = settings.data.absolute() / "store"
    if folder.exists() and any(folder.iterdir()):
        raise StoreError(f"{settings.data} holds data already; restore into an empty folder with --data.")
    try:
        with tarfile.open(file) as tar:
            manifest = _manifest(file, tar)
            folder.mkdir(parents=True, exist_ok=True)
            store = Store(
                folder,
                memory_bytes_max=settings.memory_bytes_max,
                query_seconds_max=settings.query_seconds_max,
                schema=manifest["schema"],
            )
            try:
                with store.writing() as connection:
                    _attach(connection, tar)
                rows = _rows(store, manifest["rows"])
            finally:
                store.close()
    except (OSError, tarfile.TarError) as error:
        raise StoreError(f"{file} cannot be read as a backup: {error}.") from error
    return rows


def _manifest(file: Path, tar: tarfile.TarFile) -> Any:
    member = tar.next()
    if member is None or member.name != MANIFEST:
        raise StoreError(f"{file} is no backup of mlobs: it does not begin with {MANIFEST}.")
    manifest = json.loads(_read(tar, member))
    if manifest["format"] > FORMAT_VERSION or manifest["schema"] > newest_version():
        raise StoreError(
            f"{file} was made by a newer release (schema {manifest['schema']}; this one knows "
            f"{newest_version()}). Restore it with that release."
        )
    return manifest


def _attach(connection: Connection, tar: tarfile.TarFile) -> None:
    """Put every part where the engine looks for detached ones, and attach them."""
    rows = connection.run(
        "SELECT name, data_paths[1] AS folder FROM system.tables "
        "WHERE database = 'mlobs' AND engine LIKE '%MergeTree'"
    )
    folders = {row["name"]: Path(row["folder"]) / "detached" for row in rows}
    parts: dict[tuple[str, str], None] = {}
    for member in tar:
        match PurePosixPath(member.name).parts:
            case (folder, table, *inside) if folder == TABLES_FOLDER and member.isfile():
                pass
            case _:
                continue
        if not inside or ".." in inside or table in NOT_ATTACHED:
            continue
        if table not in folders:
            raise StoreError(f"The backup has a table {table!r} that its schema does not have.")
        target = folders[table].joinpath(*inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_read(tar, member))
        parts[table, inside[0]] = None
    for table, part in parts:
        connection.run(f"ALTER TABLE {table} ATTACH PART {literal(part)}")


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    if file is None:
        raise StoreError(f"{member.name} in the backup is no file.")
    return file.read()


def _rows(store: Store, expected: Mapping[str, int]) -> dict[str, int]:
    """Return the rows of each table, which are those of the backup.

    Raises:
        StoreError: They are not.
    """
    found = {}
    for table, held in expected.items():
        if table not in NOT_ATTACHED:
            found[table] = store.query(f"SELECT count() AS held FROM {table}")[0]["held"]
            if found[table] != held:
                raise StoreError(f"{table} has {found[table]} rows after restoring; the backup says {held}.")
    return found
