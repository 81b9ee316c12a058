"""The name of one server among several in front of one ClickHouse."""

import re
import uuid
from pathlib import Path

from mlobs.errors import StoreError

FILE = "instance"
NAME = re.compile(r"[0-9a-f]{32}")


def instance(folder: Path) -> str:
    """Return the name of the server that this folder is of, made up at its first start.

    It belongs to the journal: what a segment is recognised by must be the same when it is sent again after
    a restart, and another one for every other server's segments.

    Raises:
        StoreError: It cannot be read or written, or something else stands there.
    """
    path = folder / FILE
    try:
        if not path.exists():
            made = path.with_suffix(".new")
            made.write_text(uuid.uuid4().hex)
            made.rename(path)
        name = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"The name of this server, {path}, cannot be read or written: {error}.") from error
    if not NAME.fullmatch(name):
        raise StoreError(
            f"The name of this server, {path}, is damaged: {name[:40]!r}, not 32 hexadecimal digits. With an "
            f"empty journal delete it; otherwise put the old one back, or segments may be stored twice."
        )
    return name
