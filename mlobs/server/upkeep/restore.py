"""Makes a store of a backup: on an empty folder, with no server on it."""

import json
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any

from mlobs.errors import StoreError
from mlobs.server.engine import Connection, literal
from mlobs.server.migrations import newest_version
from mlobs.server.store import Store
from mlobs.server.upkeep.backup import FORMAT_VERSION, MANIFEST, TABLES_FOLDER
from mlobs.settings import ServerSettings

NOT_ATTACHED = ("schema_version", "canonical_columns")  # A new store has its own.


def restore(file: Path, settings: ServerSettings) -> dict[str, int]:
    """Restore a backup into the data folder of `settings`; return the rows by table.

    Nothing is there under the store's name until all of it is.

    Raises:
        StoreError: The file is no backup, or of a newer release, or the folder is not empty.
    """
    data = settings.data.absolute()
    folder, part = data / "store", data / "store.restoring"
    if folder.exists() and any(folder.iterdir()):
        raise StoreError(f"{settings.data} holds data already; restore into an empty folder with --data.")
    try:
        shutil.rmtree(part, ignore_errors=True)
        with tarfile.open(file) as tar:
            manifest = _manifest(file, tar)
            part.mkdir(parents=True)
            rows = _filled(part, tar, manifest, settings)
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    except StoreError:
        raise
    except (OSError, tarfile.TarError) as error:
        raise StoreError(f"{file} cannot be read as a backup: {str(error).splitlines()[0]}.") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return rows


def _filled(
    folder: Path, tar: tarfile.TarFile, manifest: Mapping[str, Any], settings: ServerSettings
) -> dict[str, int]:
    store = Store(
        folder,
        memory_bytes_max=settings.memory_bytes_max,
        query_seconds_max=settings.query_seconds_max,
        schema=manifest["schema"],
    )
    try:
        with store.writing() as connection:
            _attach(connection, tar)
        return _rows(store, manifest)
    finally:
        store.close()


def _manifest(file: Path, tar: tarfile.TarFile) -> Mapping[str, Any]:
    member = tar.next()
    found = tar.extractfile(member) if member is not None and member.name == MANIFEST else None
    try:
        manifest = json.loads(found.read()) if found is not None else {}
    except ValueError:
        manifest = {}
    if not isinstance(manifest, dict) or not {"format", "schema", "rows", "counted"} <= manifest.keys():
        raise StoreError(f"{file} is no backup of mlobs: it does not begin with a {MANIFEST} of one.")
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
        with _opened(tar, member) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
        parts[table, inside[0]] = None
    for table, part in parts:
        connection.run(f"ALTER TABLE {table} ATTACH PART {literal(part)}")


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    if file is None:
        raise StoreError(f"{member.name} in the backup is no file.")
    return file


def _rows(store: Store, manifest: Mapping[str, Any]) -> dict[str, int]:
    """Return the rows of each table, which are those of the backup but where merging makes them fewer.

    Raises:
        StoreError: They are not.
    """
    found = {}
    there = {row["name"] for row in store.query("SELECT name FROM system.tables WHERE database = 'mlobs'")}
    for table, held in manifest["rows"].items():
        # An empty table that is none of the schema's was left beside another when a server was killed.
        if table in NOT_ATTACHED or (not held and table not in there):
            continue
        found[table] = store.query(f"SELECT count() AS held FROM {table}")[0]["held"]
        if table in manifest["counted"] and found[table] != held:
            raise StoreError(f"{table} has {found[table]} rows after restoring; the backup says {held}.")
    return found
