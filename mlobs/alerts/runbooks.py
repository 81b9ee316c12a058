"""Which runbook pages there are: the packaged ones, and those beside the file of one's own rules."""

from importlib.resources.abc import Traversable
from pathlib import Path

from mlobs import assets

FOLDER = "runbooks"
SUFFIX = ".md"


def pages(rules: Path | None = None) -> dict[str, Traversable]:
    """Return every page by its file name.

    Args:
        rules: The file of one's own rules; pages in the folder `runbooks` beside it come first.
    """
    folders: list[Traversable] = [assets.root() / "alerts" / FOLDER]
    if rules is not None and (rules.parent / FOLDER).is_dir():
        folders.append(rules.parent / FOLDER)
    return {page.name: page for folder in folders for page in folder.iterdir() if page.name.endswith(SUFFIX)}
