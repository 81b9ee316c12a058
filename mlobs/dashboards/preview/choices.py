"""A dashboard's variables: what is chosen, and the text they stand for in a query."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from mlobs.dashboards.preview.spans import Span, written

ALL = "$__all"
REFERENCE = re.compile(
    r"\$(?P<bare>\w+)|\[\[(?P<old>\w+)(?::(?P<old_form>\w+))?\]\]"
    r"|\$\{(?P<braced>\w+)(?:\.[^:}]+)?(?::(?P<form>[^}]+))?\}"
)
SPECIAL = re.compile(r"[\\^$*+?.()|{}\[\]]")
Quoting = Literal["promql", "sql", "text"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable with what is chosen of it.

    Args:
        name: As in `$name`.
        values: What is chosen; every option where All is.
        label: What stands beside it on the page.
        many: More than one may be chosen, so that queries have it as a pattern.
        at_all: All is chosen.
        all_value: What All is in a query, when it is not every option.
        hidden: The page does not show it.
    """

    name: str
    values: tuple[str, ...]
    label: str = ""
    many: bool = False
    at_all: bool = False
    all_value: str | None = None
    hidden: bool = False

    @property
    def is_free(self) -> bool:
        """Tell whether conditions on it fall away: it is at All, or empty."""
        return self.at_all or self.values in {("",), (ALL,)}

    @property
    def text(self) -> str:
        """What the page shows as chosen."""
        return "All" if self.at_all else " + ".join(self.values) or "None"


def choose(variable: Mapping[str, Any], options: Sequence[str], asked: Sequence[str] | None) -> Choice:
    """Return what is chosen of a variable.

    Args:
        variable: As in the dashboard.
        options: What there is to choose.
        asked: What the user said; None for the dashboard's own default.
    """
    current = variable.get("current") or {}
    wanted = [str(value) for value in _listed(asked if asked is not None else current.get("value"))]
    include_all = bool(variable.get("includeAll"))
    at_all = ALL in wanted or (asked is not None and wanted == ["All"]) or (not wanted and include_all)
    if not wanted and not include_all:
        wanted = list(options[:1])
    return Choice(
        name=str(variable["name"]),
        values=tuple(options if at_all else wanted),
        label=str(variable.get("label") or variable["name"]),
        many=bool(variable.get("multi")) or include_all,
        at_all=at_all,
        all_value=variable.get("allValue") or None,
        hidden=variable.get("hide") == 2,
    )


def builtins(shown: Span, step_s: float, scrape_s: float) -> dict[str, Choice]:
    """Return the variables every dashboard has."""
    given = {
        "__interval": written(step_s),
        "__interval_ms": str(int(step_s * 1000)),
        "__rate_interval": written(max(step_s + scrape_s, 4 * scrape_s)),
        "__rate_interval_ms": str(int(max(step_s + scrape_s, 4 * scrape_s) * 1000)),
        "__range": f"{round(shown.seconds)}s",
        "__range_s": str(round(shown.seconds)),
        "__range_ms": str(round(shown.seconds * 1000)),
        "__from": str(round(shown.begin_s * 1000)),
        "__to": str(round(shown.end_s * 1000)),
    }
    return {name: Choice(name, (value,)) for name, value in given.items()}


def interpolated(text: str, choices: Mapping[str, Choice], quoting: Quoting = "text") -> str:
    """Return text with its variables filled in; those that are not known stay.

    Args:
        text: `$name`, `${name}`, `${name:format}` and `[[name]]` in it are filled in.
        choices: By name.
        quoting: How a variable without a format is written: by its data source.
    """

    def fill(found: re.Match[str]) -> str:
        name = found["bare"] or found["old"] or found["braced"]
        choice = choices.get(name)
        if choice is None:
            return found.group()
        return _written(choice, found["old_form"] or found["form"] or "", quoting)

    return REFERENCE.sub(fill, text)


def _written(choice: Choice, form: str, quoting: Quoting) -> str:
    if choice.at_all and choice.all_value is not None:
        return _all_written(choice.all_value, choice.name, form)
    values = choice.values
    if form:
        return FORMATS.get(form, _glob)(choice)
    if quoting == "promql" and choice.many:
        escaped = [SPECIAL.sub(r"\\\\\g<0>", value).replace('"', '\\"') for value in values]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
    if quoting == "promql":
        return values[0].replace("\\", "\\\\").replace('"', '\\"') if values else ""
    if quoting == "sql" and choice.many:
        return "'" + "','".join(values) + "'"  # as the plugin does: quotes in the values stay what they are
    return _glob(choice)


def _all_written(all_value: str, name: str, form: str) -> str:
    if form == "queryparam":
        return f"var-{name}=All"
    return {"text": "All", "percentencode": _encoded(all_value)}.get(form, all_value)


def _each(choice: Choice, quote_: str, *escapes: tuple[str, str]) -> str:
    """Return values between quotes, with the escapes that Grafana makes, and no others."""

    def escaped(value: str) -> str:
        table = str.maketrans(dict(escapes))
        return quote_ + value.translate(table) + quote_

    return ",".join(map(escaped, choice.values))


def _glob(choice: Choice) -> str:
    return choice.values[0] if len(choice.values) == 1 else "{" + ",".join(choice.values) + "}"


def _regex(choice: Choice) -> str:
    escaped = [SPECIAL.sub(r"\\\g<0>", value) for value in choice.values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def _json(choice: Choice) -> str:
    return json.dumps(choice.values, separators=(",", ":")) if choice.many else ",".join(choice.values)


def _encoded(text: str) -> str:
    return quote(text, safe="")


def _percent(choice: Choice) -> str:
    joined = ",".join(choice.values)
    return _encoded(f"{{{joined}}}" if choice.many else joined)


def _parameters(choice: Choice) -> str:
    # Five characters stay, because Grafana writes addresses so.
    values = (ALL,) if choice.at_all else choice.values
    return "&".join(f"var-{choice.name}={quote(value, safe='@:$,;')}" for value in values)


FORMATS: dict[str, Callable[[Choice], str]] = {
    "raw": lambda choice: ",".join(choice.values),
    "csv": lambda choice: ",".join(choice.values),
    "pipe": lambda choice: "|".join(choice.values),
    "regex": _regex,
    "glob": _glob,
    "json": _json,
    "text": lambda choice: choice.text,
    "singlequote": lambda choice: _each(choice, "'", ("'", "\\'")),
    "doublequote": lambda choice: _each(choice, '"', ('"', '\\"')),
    "sqlstring": lambda choice: _each(choice, "'", ("'", "''"), ('"', '\\"')),
    "percentencode": _percent,
    "queryparam": _parameters,
}


def _listed(value: object) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
