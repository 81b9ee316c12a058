"""Reads the file of sinks and routes, and says where it is wrong: file, line, field, nearest name."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlobs.alerts.document import Document, Place, ended, near, read_text, told
from mlobs.alerts.routing.config import Flap, Quiet, Route, check_sinks, named
from mlobs.alerts.sinks import SinkConfig
from mlobs.errors import SettingError

SINK_NAME = r"^[A-Za-z0-9_.-]{1,64}$"

SinkName = Annotated[str, Field(pattern=SINK_NAME)]


class RoutesFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sinks: dict[SinkName, SinkConfig] = Field(min_length=1, description="Who can be told, by name.")
    routes: tuple[Route, ...] = Field(min_length=1, description="Who is told of what, in order.")


def read_routes(path: Path) -> RoutesFile:
    """Return what a file says.

    Raises:
        SettingError: It cannot be read, or something in it is wrong; the sentence says where.
    """
    return parse_routes(read_text(path, "The file of routes"), str(path))


def parse_routes(text: str, name: str) -> RoutesFile:
    """Return what a text says.

    Args:
        text: YAML.
        name: Of the file, for sentences.

    Raises:
        SettingError: Something in it is wrong.
    """
    document = Document(text, name, "A file of routes")
    if not isinstance(document.value, dict):
        raise SettingError(f"{name}: a mapping with 'sinks' and 'routes' was expected at the top.")
    if "rules" in document.value:
        raise SettingError(
            f"{name}: this seems to be a file of alert rules, which MLOBS_ALERT_RULES names and "
            "`mlobs alerts check` checks; one with 'sinks' and 'routes' at the top was expected."
        )
    try:
        found = RoutesFile.model_validate(document.value)
    except ValidationError as error:
        found_wrong = error.errors(include_url=False, include_input=False)  # A secret may be in it.
        problems = [
            document.sentence(problem, _known(problem["loc"]))
            for problem in found_wrong
            if not _follows(problem, document)
        ]
        raise SettingError(told(problems)) from None
    try:
        routes = named(found.routes)
        check_sinks(routes, found.sinks)
    except LookupError as error:
        index, field, sink = error.args
        place = ("routes", index, field)
        said = ended(f"{document.where(place)}: there is no sink {sink!r}{near(sink, found.sinks)}")
        raise SettingError(f"{said} There are: {', '.join(sorted(found.sinks))}.") from None
    except ValueError as error:
        raise SettingError(f"{document.where(('routes',))}: {error}.") from None
    return found.model_copy(update={"routes": routes})


def _known(place: Place) -> list[str]:
    """Return the names that could have stood where an unknown one does."""
    if place[0] == "routes" and len(place) > 1:
        return _names([Quiet if "quiet" in place else Flap if "flap" in place else Route])
    if place[0] == "sinks" and len(place) > 1:
        return _names(_models(SinkConfig))
    return _names([RoutesFile])


def _follows(problem: Any, document: Document) -> bool:
    """Return whether there are too few entries only because those with mistakes are not counted."""
    place: Place = problem["loc"]
    return problem["type"] == "too_short" and len(place) == 1 and bool(document.value[place[0]])


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    """Return every model in an annotation."""
    if isinstance(kind, type) and get_origin(kind) is None:
        if issubclass(kind, BaseModel):
            yield kind
    else:
        for part in get_args(kind):
            yield from _models(part)


def _names(models: Sequence[type[BaseModel]] | Iterator[type[BaseModel]]) -> list[str]:
    return [field.alias or name for model in models for name, field in model.model_fields.items()]
