"""What `validate` finds wrong with a configuration, and what of it `run` says before it starts."""

from collections.abc import Collection, Mapping

from mlobs.cli.collector.beforehand import variable_at
from mlobs.cli.collector.checks import check
from mlobs.cli.collector.configurations import CONFIGURATIONS, VARIABLES
from mlobs.cli.collector.destinations import Configured
from mlobs.cli.collector.finding import Finding
from mlobs.cli.collector.reading import Document, Source
from mlobs.cli.collector.replacing import replaced
from mlobs.cli.surroundings import misspelt


def judged(
    configuration: str, files: list[Source], more: Collection[str], document: Document
) -> list[Finding]:
    """Return what is wrong with a configuration.

    Args:
        configuration: Its name, or its file.
        files: What it is made of.
        more: The names of the last of these, which the user has added.
        document: What they say together.
    """
    found = check(document)
    if configuration in CONFIGURATIONS:
        shipped = len(files) - len(more)
        found += replaced(files[:shipped], files[shipped:])
    return found


def unread(files: list[Source], environment: Mapping[str, str]) -> list[str]:
    """Return a remark for each variable of ours that is set and that nothing reads."""
    return misspelt(environment, {name for file in files for name in VARIABLES.findall(file.text)})


def warnings(
    configuration: str, files: list[Source], more: Collection[str], configured: Configured
) -> list[str]:
    """Return what `run` says of a configuration: all errors, and of the user's own files also the notes.

    It starts all the same: what it would refuse, an older release may have run for years.
    """
    own = {*more} if configuration in CONFIGURATIONS else {configuration, *more}
    lines = []
    for one in judged(configuration, files, more, configured.document):
        if one.level == "error" or (one.place and one.place.file in own):
            name = variable_at(configured.raw, one.path)
            lines.append(f"{one}{f' It comes from ${name}.' if name else ''}")
    return list(dict.fromkeys(lines))
