"""Which runbook pages there are: the packaged ones, and those beside the file of one's own rules.

A link that leads nowhere costs whoever is woken more than none, so a rule has one only if its page is there.
Of pages that are kept elsewhere, such as in a wiki, nobody here knows which there are: what is here is taken
to be there too, and so is a page that a rule names itself.
"""

from importlib.resources.abc import Traversable
from pathlib import Path

from mlobs import assets
from mlobs.alerts.rules import Rule

FOLDER = "runbooks"
SUFFIX = ".md"
NAME_CHARACTERS_MAX = 200  # No file has a name that is much longer.


def pages(rules: Path | None = None) -> dict[str, Traversable]:
    """Return every page by its file name.

    Args:
        rules: The file of one's own rules; pages in the folder `runbooks` beside it come first.
    """
    return {
        page.name: page
        for folder in reversed(_folders(rules))
        if folder.is_dir()
        for page in folder.iterdir()
        if page.name.endswith(SUFFIX)
    }


def page_of(name: str, rules: Path | None = None) -> Traversable | None:
    """Return the page of a name without its ending, or None if there is none here.

    Args:
        name: A rule's, or that of the page it names. What strangers call their rules is no path.
        rules: The file of one's own rules.
    """
    if not (name.isascii() and name.isalnum() and len(name) <= NAME_CHARACTERS_MAX):
        return None
    found = (folder / f"{name}{SUFFIX}" for folder in _folders(rules))
    return next((page for page in found if page.is_file()), None)


def link(rule: Rule, base: str, rules: Path | None = None, *, is_here: bool = False) -> str | None:
    """Return the address of a rule's runbook, or None if it would lead nowhere.

    Args:
        rule: The rule.
        base: What addresses of pages begin with.
        rules: The file of one's own rules.
        is_here: Whether the pages here are those at `base`, and so all there are.
    """
    if page_of(rule.page, rules) is None and (is_here or not rule.runbook):
        return None
    return f"{base}/{rule.page}{SUFFIX}"


def _folders(rules: Path | None) -> tuple[Traversable, ...]:
    packaged = assets.root() / "alerts" / FOLDER
    return (packaged,) if rules is None else (rules.parent / FOLDER, packaged)
