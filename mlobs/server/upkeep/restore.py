"""Makes a store of a backup: on an empty folder, with no server on it."""

import json
import shutil
import tarfile
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import IO, Any

from mlobs.errors import StoreError
from mlobs.server.engine import Connection, literal
from mlobs.server.migrations import newest_version
from mlobs.server.store import Store
from mlobs.server.upkeep.backup import FILES, FILES_FOLDER, FORMAT_VERSION, MANIFEST, TABLES_FOLDER
from mlobs.settings import ServerSettings

NOT_ATTACHED = ("schema_version", "canonical_columns")  # A new store has its own.
UNKNOWN_TABLE = "The backup has a table {table!r} that its schema does not have."
SHAPE = {"format": int, "schema": int, "rows": dict, "counted": list}  # Of what is said of a backup.


def restore(file: Path, settings: ServerSettings) -> dict[str, int]:
    """Restore a backup into the data folder of `settings`; return the rows by table.

    Nothing is there under the store's name until all of it is. A backup of an older release has no files
    beside the store; alerts begin anew then.

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
        _place(part / FILES_FOLDER, data)
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
            _attach(connection, tar, folder / FILES_FOLDER)
        return _rows(store, manifest)
    finally:
        store.close()


def _manifest(file: Path, tar: tarfile.TarFile) -> Mapping[str, Any]:
    member = tar.next()
    found = tar.extractfile(member) if member is not None and member.name == MANIFEST else None
    try:
        manifest = json.loads(found.read()) if found is not None else {}
    except (ValueError, RecursionError):
        manifest = {}
    told = manifest if isinstance(manifest, dict) else {}
    if not all(isinstance(told.get(name), kind) for name, kind in SHAPE.items()):
        raise StoreError(f"{file} is no backup of mlobs: it does not begin with a {MANIFEST} of one.")
    if manifest["format"] > FORMAT_VERSION or manifest["schema"] > newest_version():
        raise StoreError(
            f"{file} was made by a newer release (schema {manifest['schema']}; this one knows "
            f"{newest_version()}). Restore it with that release."
        )
    return manifest


def _attach(connection: Connection, tar: tarfile.TarFile, beside: Path) -> None:
    """Put every part where the engine looks for detached ones, and attach them; put other files beside."""
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
            case (folder, name) if folder == FILES_FOLDER and member.isfile() and fnmatch(name, FILES):
                _write(tar, member, beside / name)
                continue
            case _:
                continue
        if not inside or ".." in inside or table in NOT_ATTACHED:
            continue
        if table not in folders:
            raise StoreError(UNKNOWN_TABLE.format(table=table))
        _write(tar, member, folders[table].joinpath(*inside))
        parts[table, inside[0]] = None
    for table, part in parts:
        connection.run(f"ALTER TABLE {table} ATTACH PART {literal(part)}")


def _place(files: Path, data: Path) -> None:
    """Move the files from beside the store to where they belong.

    Raises:
        StoreError: One is there already.
    """
    found = sorted(files.glob(FILES))
    for path in found:
        if (data / path.name).exists():
            raise StoreError(
                f"{data / path.name} is there already; restore into an empty folder with --data."
            )
    for path in found:
        path.rename(data / path.name)
    shutil.rmtree(files, ignore_errors=True)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with _opened(tar, member) as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy)


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
        if table not in there:
            raise StoreError(UNKNOWN_TABLE.format(table=table))
        found[table] = store.query(f"SELECT count() AS held FROM {table}")[0]["held"]
        if table in manifest["counted"] and found[table] != held:
            raise StoreError(f"{table} has {found[table]} rows after restoring; the backup says {held}.")
    return found
