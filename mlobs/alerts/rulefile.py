"""Users' own rules: a YAML file with the fields of the packaged rules, names of the vocabulary as text.

rules:
- name: ShopSearchFails
  indicator:
    kind: ratio
    metric: gen_ai.execute_tool.duration
    where: {service.name: shop}
    by: [service.name, gen_ai.tool.name]
    ...
  above: 0.1
  severity: critical
  component: tool
  summary: "{gen_ai.tool.name} fails."
  description: "{value} of the calls of {gen_ai.tool.name} failed. First: ask the search team."
  runbook: ShopSearchFails
without: [MlobsToolFailureRatio]

A rule with the name of a packaged one takes its place; those named in `without` are left out. A whole file,
with every kind and every field, is alerts/rules.example.yml.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import Field, ValidationError

from mlobs.alerts import wherefile
from mlobs.alerts.catalogue import catalogue
from mlobs.alerts.document import Document, Place, ended, near, read_text, told
from mlobs.alerts.indicators import Expression, Indicator
from mlobs.alerts.measured import Choosing, Record, Where
from mlobs.alerts.promql import clashes, naming
from mlobs.alerts.rules import LABEL, Rule
from mlobs.errors import RuleError
from mlobs.semconv.attributes import ATTRIBUTES
from mlobs.semconv.dialects.rows import TENANT
from mlobs.semconv.metrics import METRICS
from mlobs.semconv.rows import Attribute, Metric
from mlobs.settings import AlertSettings

WHAT = "The file of rules"
# Of fields that have a form: what is wanted.
FORMS = {
    "name": "3 to 80 letters and digits were expected, a capital first, such as ShopSearchFails",
    "component": "small letters and _ were expected, such as tool",
    "objective_name": "small letters and _ were expected, such as shop_tools",
    "runbook": "the name of a page without .md was expected, of letters and digits, such as ShopSearchFails",
    "series": "the name of a recorded series was expected, such as mlobs:drift_psi:increase1h",
}
# What Prometheus calls a rule's fields.
OF_OTHERS = {
    "alert": "name",
    "expr": "indicator: {kind: expression, promql: ...}, with the limit in above",
    "for": "hold_s, in seconds",
    "keep_firing_for": "keep_firing_s, in seconds",
    "annotations": "summary, description and runbook",
    "threshold": "above",
    "window": "window_s, in seconds",
}
NOUNS: dict[type, str] = {Metric: "metric", Attribute: "attribute"}
OF_INDICATORS = {name for kind in get_args(get_args(Indicator)[0]) for name in kind.model_fields}


class RulesFile(Record):
    """The whole file."""

    rules: tuple[Rule, ...] = Field(default=(), description="Rules, in the order they are shown.")
    without: tuple[str, ...] = Field(default=(), description="Packaged rules that are not evaluated.")


def all_rules(settings: AlertSettings) -> tuple[Rule, ...]:
    """Return every rule of the house: the packaged ones, and those of MLOBS_ALERT_RULES.

    Raises:
        RuleError: Something in the file is wrong; the sentence says where.
        SettingError: The file cannot be read, or is not YAML.
    """
    packaged = catalogue(settings)
    return packaged if settings.rules is None else joined(packaged, read_rules(settings.rules, packaged))


def joined(packaged: Sequence[Rule], file: RulesFile) -> tuple[Rule, ...]:
    """Return the packaged rules with those of a file among them."""
    own = {rule.name: rule for rule in file.rules}
    kept = tuple(own.pop(rule.name, rule) for rule in packaged if rule.name not in file.without)
    return (*kept, *own.values())


def read_rules(path: Path, packaged: Sequence[Rule]) -> RulesFile:
    """Return what a file says.

    Args:
        path: The file.
        packaged: The rules that ship.

    Raises:
        RuleError: Something in it is wrong; the sentence says where.
        SettingError: It cannot be read, or is not YAML.
    """
    return parse_rules(read_text(path, WHAT), str(path), packaged)


def parse_rules(text: str, name: str, packaged: Sequence[Rule]) -> RulesFile:
    """Return what a text says.

    Args:
        text: YAML.
        name: Of the file, for sentences.
        packaged: The rules that ship.

    Raises:
        RuleError: Something in it is wrong; the sentence says where.
        SettingError: It is not YAML.
    """
    document = Document(text, name, "A file of rules")
    if not isinstance(document.value, dict):
        raise RuleError(
            f"{name}: a mapping with 'rules' was expected at the top; `mlobs alerts example` prints one."
        )
    if "sinks" in document.value:
        raise RuleError(
            f"{name}: this seems to be a file of sinks and routes, which MLOBS_ALERT_ROUTES names and "
            "`mlobs alerts routes` checks; one with 'rules' at the top was expected."
        )
    problems: list[str] = []
    value = _rows(RulesFile, document.value, (), document, problems)
    try:
        found = RulesFile.model_validate(value)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        more = [_sentence(document, one) for one in wrong if not _is_told(document, one, problems)]
        raise RuleError(told([*problems, *more])) from None
    if problems:
        raise RuleError(told(problems))
    problems = [
        *_twice(found, document),
        *_strangers(found, document, [rule.name for rule in packaged]),
        *_clashing(found, document, packaged),
    ]
    if problems:
        raise RuleError(told(problems))
    return found


def _is_told(document: Document, problem: Any, problems: Sequence[str]) -> bool:
    """Return whether what is wrong at a place, or within it, is a name that was found wrong already."""
    where = document.where(problem["loc"])
    return any(one.startswith((f"{where}:", f"{where}.", f"{where}[")) for one in problems)


def _sentence(document: Document, problem: Any) -> str:
    place = problem["loc"]
    if problem["type"] == "extra_forbidden":
        said = _misplaced(place) or (OF_OTHERS.get(place[-1]) and f"here it is {OF_OTHERS[place[-1]]}")
        if said:
            return f"{document.where(place)}: there is no such field; {said}."
    return document.sentence(problem, _known(place), FORMS)


def _misplaced(place: Place) -> str | None:
    """Return where a field belongs that stands in the wrong place, if it is one."""
    name, of_rule = place[-1], len(place) == 3
    if name == "where" and "expression" in place:
        return 'PromQL chooses by itself, as in up{job="shop"}'
    if of_rule and place[0] == "rules" and name in OF_INDICATORS:
        return "it belongs under indicator"
    if len(place) == 5 and place[2] == "indicator" and name in Rule.model_fields:
        return "it belongs to the rule, beside indicator and not under it"
    return None


def _twice(file: RulesFile, document: Document) -> Iterator[str]:
    seen: set[str] = set()
    for index, rule in enumerate(file.rules):
        if rule.name in seen:
            where = document.where(("rules", index, "name"))
            yield f"{where}: there are two rules {rule.name!r}; rename one."
        seen.add(rule.name)


def _clashing(file: RulesFile, document: Document, packaged: Sequence[Rule]) -> Iterator[str]:
    """Yield which rules of the file make Prometheus record a series that means something else already."""
    own = {rule.name: index for index, rule in enumerate(file.rules)}
    kept = [rule for rule in packaged if rule.name not in own and rule.name not in file.without]
    seen: set[str] = set()
    for rule, other, series in clashes((*kept, *file.rules)):
        if rule.name in seen:
            continue
        seen.add(rule.name)
        where = document.where(("rules", own[rule.name], *naming(rule)))
        whose = "drift" if other is None else f"the rule {other.name}"
        yield (
            f"{where}: with this name Prometheus would record {series}, by which {whose} means something "
            "else already; choose another."
        )


def _strangers(file: RulesFile, document: Document, packaged: Sequence[str]) -> Iterator[str]:
    for index, name in enumerate(file.without):
        if name not in packaged:
            where = document.where(("without", index))
            yield ended(f"{where}: no packaged rule is called {name!r}{near(name, packaged)}")


def _rows(kind: Any, value: Any, place: Place, document: Document, problems: list[str]) -> Any:
    """Return `value` with rows of the vocabulary where an annotation wants them and a name stands."""
    kind = _bare(kind)
    if kind in NOUNS:
        return _row(kind, value, place, document, problems)
    if get_origin(kind) is tuple and isinstance(value, list) and get_args(kind)[0] is not Where:
        inner = get_args(kind)[0]
        return [_rows(inner, one, (*place, at), document, problems) for at, one in enumerate(value)]
    if get_origin(kind) in (Union, UnionType):
        chosen = _chosen(kind, value)
        return value if chosen is None else _rows(chosen, value, place, document, problems)
    if kind is Expression and isinstance(value, dict) and "by" in value:
        return {**value, "by": _labels(value.get("by"), (*place, "by"), document, problems)}
    if isinstance(kind, type) and issubclass(kind, Record) and isinstance(value, dict):
        fields = kind.model_fields
        found = {
            name: _rows(fields[name].annotation, one, (*place, name), document, problems)
            if name in fields
            else one
            for name, one in value.items()
        }
        if issubclass(kind, Choosing) and "where" in value:
            found["where"] = wherefile.rows(value["where"], found, (*place, "where"), document, problems)
        return found
    return value


def _labels(value: Any, place: Place, document: Document, problems: list[str]) -> Any:
    """Return the labels of others' series, which no vocabulary has."""
    if not isinstance(value, list):
        return value
    for at, one in enumerate(value):
        if not isinstance(one, str) or not LABEL.fullmatch(one):
            problems.append(f"{document.where((*place, at))}: a Prometheus label was expected, such as job.")
    by_label = {attribute.label: attribute for attribute in ATTRIBUTES}
    return [by_label.get(str(one), Attribute(str(one), "string", "A label of others.")) for one in value]


def _row(kind: type, value: Any, place: Place, document: Document, problems: list[str]) -> Any:
    known = _vocabulary(kind)
    if isinstance(value, str) and value in known:
        return known[value]
    came = f"no {NOUNS[kind]} is called {value!r:.100}" if isinstance(value, str) else "a name was expected"
    by_label = {row.label: name for name, row in known.items() if isinstance(row, Attribute)}
    hint = ""
    if isinstance(value, str):
        hint = f"; did you mean {by_label[value]!r}?" if value in by_label else near(value, known)
    problems.append(ended(f"{document.where(place)}: {came}{hint}"))
    return value


@cache
def _vocabulary(kind: type) -> dict[str, Metric | Attribute]:
    rows: Sequence[Metric | Attribute] = METRICS if kind is Metric else (*ATTRIBUTES, TENANT)
    return {row.name: row for row in rows}


def _bare(kind: Any) -> Any:
    return _bare(get_args(kind)[0]) if get_origin(kind) is Annotated else kind


def _chosen(union: Any, value: Any) -> Any:
    """Return the part of a union that `value` wants to be, or None if that cannot be said."""
    parts = [_bare(part) for part in get_args(union) if part is not type(None)]
    if isinstance(value, dict):
        return next((part for part in parts if _tag(part) == value.get("kind")), None)
    return next((part for part in parts if part in NOUNS or get_origin(part) is tuple), None)


def _tag(kind: Any) -> str | None:
    field = getattr(kind, "model_fields", {}).get("kind")
    return None if field is None else str(field.default)


def _known(place: Place) -> list[str]:
    """Return the fields that could have stood where an unknown one does."""
    kind: Any = RulesFile
    for part in place[:-1]:
        kind = _bare(kind)
        if get_origin(kind) is tuple:
            kind = get_args(kind)[0]
        elif get_origin(kind) in (Union, UnionType):
            kind = next((one for one in map(_bare, get_args(kind)) if _tag(one) == part), kind)
        elif part in getattr(kind, "model_fields", {}):
            kind = kind.model_fields[part].annotation
    return list(getattr(_bare(kind), "model_fields", {}))
