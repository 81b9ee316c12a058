"""Writes files whole: a profile, or the state of a monitor or a fleet, is the old one or the new one."""

import os
import stat
from pathlib import Path


def replace(path: Path, text: str) -> None:
    """Replace a file so that a crash leaves the old one or the new one, with the old one's permissions.

    A link stays a link. What is no file, such as /dev/stdout, is written to as it is.

    Raises:
        OSError: It cannot be written; the old one is still there.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    whole = path.resolve()
    part = whole.with_name(f"{whole.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if whole.exists():
            part.chmod(stat.S_IMODE(whole.stat().st_mode))
        part.replace(whole)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
