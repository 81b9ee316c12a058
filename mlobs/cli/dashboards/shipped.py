"""The dashboards a verb works on: those that ship with mlobs, or those of a folder."""

import json
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from mlobs.errors import DataError

PARTS = ("uid", "title", "panels")  # A dashboard without variables or annotations has no such part.


def shipped() -> dict[str, Any]:
    """Return the dashboards that ship with mlobs, by file name."""
    from mlobs import assets

    return in_folder(assets.root() / "dashboards")


def in_folder(folder: Path | Traversable) -> dict[str, Any]:
    """Return the dashboards of a folder, by file name.

    Raises:
        DataError: There is no such folder, no dashboard in it, or a file in it is no classic dashboard.
    """
    return {file.name: from_file(file) for file in _files(folder)}


def in_place(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the dashboards of a folder, or the one in a file, by file name; and why others are not there.

    Raises:
        DataError: There is no such folder, or no dashboard in it.
    """
    found: dict[str, Any] = {}
    refused: list[str] = []
    for file in [path] if path.is_file() else _files(path):
        try:
            found[file.name] = from_file(file)
        except DataError as error:
            refused.append(str(error))
    return found, refused


def _files(folder: Path | Traversable) -> Sequence[Path | Traversable]:
    if not folder.is_dir():
        raise DataError(f"There is no folder {str(folder)!r}. Give one that holds dashboards as .json files.")
    files = sorted(folder.iterdir(), key=lambda entry: entry.name)
    found = [file for file in files if file.name.endswith(".json")]
    if not found:
        raise DataError(
            f"The folder {str(folder)!r} has no .json file in it. Give one that holds dashboards in the "
            f"classic form; those in the newer form (.yaml) are not read."
        )
    return found


def from_file(file: Path | Traversable) -> Any:
    """Return the dashboard in a file.

    Raises:
        DataError: The file cannot be read, or holds no classic dashboard.
    """
    try:
        dashboard = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"The file {str(file)!r} cannot be read: {error.strerror}. Check its name.") from None
    except ValueError as error:  # UnicodeDecodeError is one
        raise DataError(
            f"{file} is not JSON in UTF-8: {error}. Give a dashboard as Grafana exports it."
        ) from None
    missing = [part for part in PARTS if not isinstance(dashboard, dict) or part not in dashboard]
    if missing:
        raise DataError(
            f"{file} is not a classic Grafana dashboard: it has no {', '.join(missing)}. "
            f"Export it with the classic schema, or keep it in another folder."
        )
    return dashboard
