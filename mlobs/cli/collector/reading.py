"""Reads configurations of the collector: merged as it merges them, and where each key stands."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlobs.cli.collector.scalars import dumper, loader, yaml
from mlobs.errors import DataError

# A default may hold another variable.
VARIABLE = re.compile(
    r"\$\{(?:env:)?(?P<name>[A-Za-z_]\w*)(?::-(?P<default>(?:[^${}]|\$\{[^{}]*\}|[${](?!\{))*))?\}"
)
FROM_FILE = re.compile(r"^\$\{file:.*\}$")
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A file of a configuration."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file."""

    file: str
    line: int


@dataclass(slots=True)
class Document:
    """A configuration: what it says, where each key stands, and what is missing for reading it.

    Args:
        data: Sections, components, settings; variables replaced.
        places: The place of each key, by its path.
        missing: Variables that are not set and have no default, by the path that names them.
        repeated: Keys that stand twice in one map, with the place of the second.
    """

    data: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    missing: list[tuple[Path, str]] = field(default_factory=list)
    repeated: list[tuple[Path, Place]] = field(default_factory=list)

    def place(self, path: Path) -> Place | None:
        """Return where `path` stands, or the nearest key above it that stands anywhere."""
        for length in range(len(path), 0, -1):
            if found := self.places.get(path[:length]):
                return found
        return None


def read(sources: Iterable[Source], variables: Mapping[str, str]) -> Document:
    """Read the files of one configuration.

    Raises:
        DataError: A file is not YAML, or not a map.
    """
    document = _together(sources)
    document.data = _expanded(document, document.data, variables, ())
    return document


def merged(sources: Iterable[Source]) -> dict[str, Any]:
    """Return what the files say together, variables left as they are.

    Raises:
        DataError: A file is not YAML, or not a map.
    """
    return _together(sources).data


def required(sources: Iterable[Source]) -> dict[str, str]:
    """Return the variables that have no default, each with what the file's first lines say of it."""
    found: dict[str, str] = {}
    for source in sources:
        lines = [line for line in source.text.splitlines() if not line.lstrip().startswith("#")]
        for variable in VARIABLE.finditer("\n".join(lines)):
            if variable["default"] is None:
                told = re.search(rf"^# {variable['name']}\s+(.*)$", source.text, re.MULTILINE)
                found.setdefault(variable["name"], told[1].removesuffix(" (required)") if told else "")
    return found


def dumped(data: dict[str, Any]) -> str:
    """Return a configuration as YAML, in the order it was written, without anchors."""
    return str(yaml().dump(data, Dumper=dumper(), sort_keys=False, width=1_000, allow_unicode=True))


def parsed(text: str) -> Any:
    """Return what a value says that comes from elsewhere: a variable, or a file."""
    try:
        return yaml().load(text, loader())
    except (yaml().YAMLError, ValueError):  # The second is of days that are in no month.
        return text


def filled(value: str, variables: Mapping[str, str]) -> str:
    """Return a text with its variables replaced by their values, or by their defaults."""

    def told(found: re.Match[str]) -> str:
        if found["name"] in variables:
            return variables[found["name"]]
        return filled(found["default"] or "", variables)

    return VARIABLE.sub(told, value)


def map_at(value: Any, key: str) -> dict[str, Any]:
    """Return the map under a key; an empty one where there is none, for a configuration may be wrong."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def list_at(value: Any, key: str) -> list[Any]:
    """Return the list under a key; an empty one where there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def _together(sources: Iterable[Source]) -> Document:
    """Return what the files say together, variables left as they are, and where each key stands."""
    document = Document()
    for source in sources:
        node = _composed(source)
        if node is not None:
            _merge(document.data, _value(document, source.name, node, ()))
    return document


def _composed(source: Source) -> Any:
    try:
        node = yaml().compose(source.text, loader())
    except yaml().YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise DataError(
            f"{source.name}{where}: not YAML: {problem}. Look at the indentation, quotes and colons there."
        ) from None
    if node is not None and not isinstance(node, yaml().MappingNode):
        raise DataError(
            f"{source.name}, line {node.start_mark.line + 1}: a configuration is a map with sections such as "
            f"receivers: and service:, and this is something else."
        )
    return node


def _value(document: Document, file: str, node: Any, path: Path) -> Any:
    """Return what a node says, and note where its keys stand."""
    if isinstance(node, yaml().MappingNode):
        found: dict[str, Any] = {}
        own: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name == "<<":  # What another map says, where this one says nothing.
                for also in value.value if isinstance(value, yaml().SequenceNode) else (value,):
                    merged_in = _value(document, file, also, path)
                    found = {**merged_in, **found} if isinstance(merged_in, dict) else found
                continue
            place = Place(file, key.start_mark.line + 1)
            if name in own:
                document.repeated.append(((*path, name), place))
            own.add(name)
            document.places[(*path, name)] = place
            found[name] = _value(document, file, value, (*path, name))
        return found
    if isinstance(node, yaml().SequenceNode):
        items = []
        for number, value in enumerate(node.value):
            document.places[(*path, str(number))] = Place(file, value.start_mark.line + 1)
            items.append(_value(document, file, value, (*path, str(number))))
        return items
    try:
        return loader()("").construct_object(node, deep=True)
    except (yaml().YAMLError, ValueError):  # Days that are in no month are texts there, too.
        return node.value


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _expanded(document: Document, value: Any, variables: Mapping[str, str], path: Path) -> Any:
    if isinstance(value, dict):
        return {key: _expanded(document, inner, variables, (*path, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [
            _expanded(document, inner, variables, (*path, str(number))) for number, inner in enumerate(value)
        ]
    if not isinstance(value, str) or "${" not in value:
        return value
    for name in _absent(value, variables):
        document.missing.append((path, name))
    if FROM_FILE.match(value):
        return None  # What is in the file is known where the collector runs.
    text = filled(value, variables)
    return parsed(text) if VARIABLE.fullmatch(value) else text


def _absent(value: str, variables: Mapping[str, str]) -> Iterator[str]:
    for found in VARIABLE.finditer(value):
        if found["name"] in variables:
            continue
        if found["default"] is None:
            yield found["name"]
        else:
            yield from _absent(found["default"], variables)
