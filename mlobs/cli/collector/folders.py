"""The folders of a collector's queues: whether their disk has room, and whether another has them open."""

import fcntl
import math
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlobs.cli.collector.beforehand import variable_at
from mlobs.cli.collector.destinations import Configured
from mlobs.cli.collector.opening import QUEUES
from mlobs.cli.collector.reading import list_at, map_at
from mlobs.errors import SettingError

# How long whoever is just ending may still have a folder; the collector itself waits for a second.
HELD_S, AGAIN_S = 2.0, 0.1
MIB = 2**20
# What a queue has of its disk beyond what it holds: measured 13 %, and its file grows in steps of 16 MiB.
MORE = 1.25


@dataclass(slots=True)
class Folder:
    """A folder of queues.

    Args:
        path: Where it is.
        variable: The variable that says so, "" for none.
        bytes: What its queues hold at most.
        variables: The variables that say that.
    """

    path: Path
    variable: str = ""
    bytes: int = 0
    variables: set[str] = field(default_factory=set)


def folders(configured: Configured) -> list[Folder]:
    """Return the folders of the queues in use; each exporter has a queue for each signal."""
    data, raw = configured.document.data, configured.raw
    used = {
        (str(exporter), str(name).split("/")[0])
        for name, pipeline in map_at(map_at(data, "service"), "pipelines").items()
        for exporter in list_at(pipeline, "exporters")
    }
    found: dict[str, Folder] = {}
    for exporter, _signal in sorted(used):
        queue = map_at(map_at(map_at(data, "exporters"), exporter), "sending_queue")
        storage = str(queue.get("storage") or "")
        if queue.get("enabled") is False or storage.split("/")[0] != "file_storage":
            continue
        where = str(map_at(map_at(data, "extensions"), storage).get("directory") or QUEUES)
        place = ("extensions", storage, "directory")
        one = found.setdefault(where, Folder(Path(where), variable_at(raw, place)))
        one.bytes += _size(queue)
        one.variables.add(variable_at(raw, ("exporters", exporter, "sending_queue", "queue_size")))
    return list(found.values())


def cramped(configured: Configured) -> list[str]:
    """Return what is to be said of disks that cannot hold what their queues may."""
    lines = []
    for one in folders(configured):
        there = next((parent for parent in (one.path, *one.path.parents) if parent.is_dir()), None)
        if there is None:
            continue
        try:
            free = shutil.disk_usage(there).free + sum(_held(file) for file in _files(one.path))
        except OSError:  # Not ours to look at; the collector says so if it is not its own either.
            continue
        most = one.bytes * MORE
        if free < most:
            name = f" (${one.variable})" if one.variable else ""
            less = ", ".join(f"${name}" for name in sorted(one.variables) if name)
            lines.append(
                f"The queues in {one.path}{name} fill up to {math.ceil(most / MIB)} MiB of their disk while "
                f"nobody takes what waits, and it has room for {free // MIB} MiB. On a full disk the "
                f"collector loses what it has acknowledged. Give it a larger one, or let the queues be "
                f"smaller"
                f"{f': {less}' if less else ''}."
            )
    return lines


def check_held(configured: Configured) -> None:
    """Refuse a folder that another collector has, which the collector would call a timeout.

    Raises:
        SettingError: Somebody has it.
    """
    until = time.monotonic() + HELD_S
    for one in folders(configured):
        for file in _files(one.path):
            while _locked(file):
                if time.monotonic() > until:
                    key = f"${one.variable}" if one.variable else "the directory of its file_storage"
                    raise SettingError(
                        f"Another process has the queues in {one.path} open, such as another collector. Give "
                        f"each collector a folder of its own with {key}, or stop the other."
                    )
                time.sleep(AGAIN_S)


def _size(queue: Mapping[str, Any]) -> int:
    """Return how many bytes a queue holds; 0 where it counts other things."""
    size = queue.get("queue_size")
    return size if queue.get("sizer") == "bytes" and isinstance(size, int) else 0


def _files(folder: Path) -> list[Path]:
    try:
        return [file for file in folder.iterdir() if file.is_file()]
    except OSError:  # Not there yet, or not ours to look at.
        return []


def _held(file: Path) -> int:
    """Return how much of the disk a file has."""
    try:
        return file.stat().st_blocks * 512
    except OSError:  # Gone meanwhile.
        return 0


def _locked(file: Path) -> bool:
    try:
        opened = os.open(file, os.O_RDWR)
    except OSError:  # Not ours to look at.
        return False
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # A file system without locks.
        return False
    finally:
        os.close(opened)
    return False
