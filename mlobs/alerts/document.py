"""A YAML file that people write: its values, and where in it each of them is.

Nothing but plain values is made. A key twice, and aliases, which can grow without end, are refused.
Whoever finds a value wrong says so with `Document.where`: file, line and field.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlobs._extras import require
from mlobs.errors import SettingError

BYTES_MAX = 1 << 20
PROBLEMS_SHOWN = 5
SAID = {
    "extra_forbidden": "there is no such field",
    "missing": "it is missing",
    "too_short": "at least one is needed",
}
# What was wanted, where it is known what came.
WANTED = {
    "int_type": "a whole number was expected",
    "int_parsing": "a whole number was expected",
    "int_from_float": "a whole number was expected",
    "float_type": "a number was expected, such as 0.05",
    "float_parsing": "a number was expected, such as 0.05",
    "tuple_type": "a list was expected, such as [a, b]",
    "string_type": "a text was expected; put it in quotes",
    "dict_type": "names and values were expected",
    "bool_type": "true or false was expected",
    "bool_parsing": "true or false was expected",
}
# What people mean by what YAML cannot read.
HINTS = {
    "expected <block end>": "a text with {, : or # in it needs quotes, and a list begins in one column",
    "'\\t'": "indent with spaces",
    "mapping values are not allowed": "a text with a colon in it needs quotes",
}
LIMITS = ("less_than", "less_than_equal", "greater_than", "greater_than_equal", "literal_error")
CAME_CHARACTERS_MAX = 60

Place = Sequence[int | str]


class Document:
    """One file.

    Args:
        text: YAML.
        name: Of the file, for sentences.
        what: What it is, for sentences, such as "A file of routes".

    Raises:
        SettingError: It is not YAML, or has a key twice, or an alias.
    """

    def __init__(self, text: str, name: str, what: str) -> None:
        self.name = name
        yaml = require("yaml", extra="server", feature=what)
        self._node: Any = None
        self.value: Any = None
        try:
            loader = yaml.SafeLoader(text)  # makes nothing but plain values
            self._node = loader.get_single_node()
            if self._node is not None:
                _check_tree(yaml, self._node, name, set())
                self.value = loader.construct_document(self._node)
        except SettingError:
            raise
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            place = f"{name}, line {mark.line + 1}" if mark else name
            said = str(error.problem or error.context)
            hint = next((f"; {hint}" for sign, hint in HINTS.items() if sign in said), "")
            raise SettingError(f"{place}: this is not YAML: {said}{hint}.") from None
        except (yaml.YAMLError, ValueError) as error:
            raise SettingError(f"{name}: this is not YAML: {' '.join(str(error).split())}") from None
        except RecursionError:
            raise SettingError(f"{name}: it is nested too deep to be read.") from None

    def _at(self, place: Place) -> Any:
        """Return the node of the last part of a place, or None if the file does not have it."""
        node, found = self._node, None
        for part in place:
            found = None if node is None else _child(node, part)
            if found is not None:
                node = found[1]
        return found

    def where(self, place: Place) -> str:
        """Return file, line and field; parts the file does not have, such as a union's tag, are skipped."""
        if self._node is None:
            return self.name
        node, field = self._node, ""
        line = node.start_mark.line + 1
        for number, part in enumerate(place, 1):
            found = _child(node, part)
            if found is None and number < len(place):
                continue
            field += f"[{part}]" if isinstance(part, int) else f"{'.' if field else ''}{part}"
            if found is not None:
                line, node = found
        return f"{self.name}, line {line}, {field}" if field else f"{self.name}, line {line}"

    def sentence(
        self, problem: Any, known: Iterable[str] = (), forms: Mapping[str, str] | None = None
    ) -> str:
        """Return what is wrong as one sentence.

        Args:
            problem: One of pydantic's errors; with its input, what came is told.
            known: The names that could have stood where an unknown one does.
            forms: What fields that have a form want, by their names.
        """
        place: Place = problem["loc"]
        kind, facts = problem["type"], problem.get("ctx", {})
        if kind == "value_error" and self._at(place) is None:  # The last part is the tag of a union.
            place = place[:-1]
        said = SAID.get(kind) or WANTED.get(kind) or problem["msg"].removeprefix("Value error, ")
        if "input" in problem:
            said = _came_and_wanted(problem, (forms or {}).get(str(place[-1]) if place else "")) or said
        near_by = near(str(place[-1]), known) if kind == "extra_forbidden" else ""
        if kind == "union_tag_not_found":
            said = f"it has no {facts['discriminator']}"
        elif kind == "union_tag_invalid":
            what, there = (facts[name].replace("'", "") for name in ("discriminator", "expected_tags"))
            said = f"no {what} is called {facts['tag']!r:.80}; there are {there}"
            near_by = near(str(facts["tag"]), facts["expected_tags"].strip("'").split("', '"))
        return ended(f"{self.where(place)}: {said[:1].lower()}{said[1:]}{near_by}")


def _came_and_wanted(problem: Any, form: str | None) -> str | None:
    """Return what came and what was wanted, or None if there are better words for it."""
    kind, came = problem["type"], problem["input"]
    wanted = WANTED.get(kind)
    if kind.startswith("int_") and str(problem["loc"][-1]).endswith("_s"):
        wanted = "a whole number of seconds was expected, such as 600"
    if kind == "string_pattern_mismatch" and form is not None:
        wanted = form
    if kind in LIMITS:
        wanted = problem["msg"].replace("Input should be", "it has to be")
    if wanted is None:
        return None
    if isinstance(came, str | int | float):
        return f"{came!r:.{CAME_CHARACTERS_MAX}} came; {wanted}"
    return wanted


def read_text(path: Path, what: str) -> str:
    """Return what is in a file.

    Args:
        path: The file.
        what: What it is, for sentences, such as "The file of routes".

    Raises:
        SettingError: It cannot be read, or is too large.
    """
    try:
        if path.stat().st_size > BYTES_MAX:
            raise SettingError(f"{path} has {path.stat().st_size} bytes; at most {BYTES_MAX} are read.")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingError(f"{what} {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise SettingError(f"{what} {path} is not UTF-8 text.") from None


def told(problems: Sequence[str]) -> str:
    """Return the first problems as lines, and how many more there are."""
    more = f" There are {len(problems) - PROBLEMS_SHOWN} more." if len(problems) > PROBLEMS_SHOWN else ""
    return "\n".join(problems[:PROBLEMS_SHOWN]) + more


def ended(sentence: str) -> str:
    """Return a sentence with the mark that ends it.

    >>> ended("wrong"), ended("wrong; did you mean 'x'?")
    ('wrong.', "wrong; did you mean 'x'?")
    """
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def near(name: str, known: Iterable[str]) -> str:
    """Return the known name that is nearest, as the end of a sentence, or nothing.

    >>> near("servise", ["service", "model"])
    "; did you mean 'service'?"
    """
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def _check_tree(yaml: Any, node: Any, name: str, seen: set[int]) -> None:
    if id(node) in seen:
        line = node.start_mark.line + 1
        raise SettingError(f"{name}, line {line}: an alias (*name) came; write it out where it is used.")
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if str(key.value) in keys:
                raise SettingError(
                    f"{name}, line {line}: {str(key.value)[:80]!r} is here twice; the first is in line "
                    f"{keys[str(key.value)]}."
                )
            keys[str(key.value)] = line
            _check_tree(yaml, value, name, seen)
    elif isinstance(node, yaml.SequenceNode):
        for one in node.value:
            _check_tree(yaml, one, name, seen)


def _child(node: Any, part: int | str) -> tuple[int, Any] | None:
    if node.id == "mapping":
        for key, value in node.value:
            if str(key.value) == str(part):
                return key.start_mark.line + 1, value
    elif node.id == "sequence" and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None
