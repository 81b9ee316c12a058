"""Where a command writes: never over what somebody else made."""

from collections.abc import Iterable
from pathlib import Path

from mlobs.errors import MlobsError, SettingError

START_CHARACTERS = 4_096
PAGE_STARTS = ("<!doctype html", "<html")
REPORT_WORDS = ('"findings"', '"metrics"', '"summary"')


def refuse_to_overwrite(path: str, *, profile: bool, inputs: Iterable[str | None] = ()) -> None:
    """Refuse to write over a file that is no older version of what is to be written.

    Args:
        path: Where it is to be written.
        profile: It is a profile, else a report.
        inputs: Files that the command reads.

    Raises:
        SettingError: The file is an input, or holds something else.
    """
    target = Path(path)
    if not target.exists():
        return
    if any(given is not None and Path(given).exists() and target.samefile(given) for given in inputs):
        raise SettingError(f"-o {path} names a file that is read here. Wanted: another name behind -o.")
    if target.is_file() and not (_is_profile(path) if profile else _is_report(target)):
        what = "profile" if profile else "report"
        raise SettingError(
            f"-o {path} is there already and no {what}, so it is left as it is. "
            f"Wanted: another name behind -o, or remove it first."
        )


def _is_profile(path: str) -> bool:
    from mlobs.drift.profile import Profile

    try:
        Profile.read(path)
    except MlobsError:
        return False
    return True


def _is_report(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            start = file.read(START_CHARACTERS).lstrip().lower()
    except (OSError, UnicodeDecodeError):
        return False
    if path.suffix == ".json":
        return not start or any(word in start for word in REPORT_WORDS)
    return not start or start.startswith(PAGE_STARTS)
