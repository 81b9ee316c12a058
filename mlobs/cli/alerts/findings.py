"""What is wrong with files of rules. See `mlobs alerts check`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from mlobs import assets
from mlobs.alerts.catalogue import catalogue
from mlobs.alerts.document import Document, near, read_text
from mlobs.alerts.grafana import grafana_file
from mlobs.alerts.prometheus import RULES_FILE, rules_file
from mlobs.alerts.rulefile import WHAT, parse_rules
from mlobs.alerts.rules import Rule, Severity
from mlobs.alerts.runbooks import FOLDER, SUFFIX, pages
from mlobs.alerts.words import never_fires
from mlobs.cli.alerts.promql_names import problems
from mlobs.errors import RuleError
from mlobs.settings import AlertSettings

SEVERITIES = get_args(Severity)
PROMETHEUS_FIELDS = ("alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations")
PACKAGED = "the packaged rules"
BASE = f"/{FOLDER}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, and what to do."""

    file: str
    rule: str
    problem: str


@dataclass(slots=True)
class Report:
    """What was looked at."""

    findings: list[Finding] = field(default_factory=list)
    rules: int = 0


def of_house(settings: AlertSettings) -> Report:
    """Return what is wrong with the packaged rules and the file of one's own.

    Raises:
        RuleError: The file has a typo; the sentence says where.
        SettingError: The file cannot be read.
    """
    report = _of_rules(catalogue(settings), PACKAGED, None)
    if settings.rules is not None:
        own = of_file(settings.rules, settings)
        report.findings += own.findings
        report.rules += own.rules
    return report


def of_file(path: Path, settings: AlertSettings, recorded: Iterable[str] = ()) -> Report:
    """Return what is wrong with one file.

    Args:
        path: The file.
        settings: Thresholds of the packaged rules.
        recorded: Series that other files record.

    Raises:
        RuleError: It has a typo; the sentence says where.
        SettingError: It cannot be read.
    """
    text = read_text(path, WHAT)
    document = Document(text, str(path), "A file of rules")
    if isinstance(document.value, dict) and "groups" in document.value:
        return _of_groups(document, path, recorded)
    return _of_rules(parse_rules(text, str(path), catalogue(settings)).rules, str(path), path)


def recorded_in(path: Path) -> set[str]:
    """Return the series that a file of rules records.

    Raises:
        RuleError: It has a typo; the sentence says where.
        SettingError: It cannot be read.
    """
    document = Document(read_text(path, WHAT), str(path), "A file of rules")
    return _series(document) if isinstance(document.value, dict) and "groups" in document.value else set()


def _of_rules(rules: Sequence[Rule], name: str, path: Path | None) -> Report:
    """Check what the rules become, since people write no PromQL in them."""
    report = Report(rules=len(rules))
    known = pages(path)
    for rule in rules:
        if f"{rule.page}{SUFFIX}" not in known:
            where = f"{FOLDER}/{rule.page}{SUFFIX}"
            report.findings.append(
                Finding(name, rule.name, f"has no runbook: write {where} beside the file, or name a page")
            )
    report.findings += [
        Finding(name, rule.name, f"can never fire: {why}") for rule in rules if (why := never_fires(rule))
    ]
    texts = (rules_file(rules, runbook_base=BASE), grafana_file(rules, runbook_base=BASE))
    documents = [Document(text, name, "A file of rules") for text in texts]
    recorded = set().union(*map(_series, documents))  # Grafana asks for what Prometheus records.
    for document in documents:
        rendered = _of_groups(document, path, recorded)
        # Lines of what was rendered say nothing to whoever wrote the rule.
        of_promql = [one for one in rendered.findings if one.rule and "runbook" not in one.problem]
        report.findings += [Finding(name, one.rule, one.problem) for one in of_promql]
    report.findings = list(dict.fromkeys(report.findings))
    return report


def _of_groups(document: Document, path: Path | None, others: Iterable[str] = ()) -> Report:
    """Check a rule file of Prometheus, or what Grafana provisions."""
    report = Report()
    recorded = {*_packaged_series(), *_series(document), *others}
    known = pages(path)
    for place, rule in _each(document):
        report.rules += 1
        name = str(rule.get("alert") or rule.get("record") or rule.get("title") or "")
        found = list(_of_rule(rule, recorded, known))
        report.findings += [
            Finding(document.where((*place, *where)), name, problem) for where, problem in found
        ]
    return report


def _each(document: Document) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, Any]]]:
    groups = document.value["groups"]
    for number, group in enumerate(groups if isinstance(groups, list) else ()):
        rules = group.get("rules") if isinstance(group, dict) else None
        if not isinstance(rules, list):
            raise RuleError(f"{document.where(('groups', number))}: a list under 'rules' was expected.")
        for index, rule in enumerate(rules):
            place = ("groups", number, "rules", index)
            if not isinstance(rule, dict):
                raise RuleError(f"{document.where(place)}: a rule was expected, with its fields.")
            yield place, rule


def _of_rule(
    rule: Mapping[str, Any], recorded: Iterable[str], known: Mapping[str, Any]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield field and problem."""
    if "data" in rule:
        yield from _of_queries(rule["data"], recorded)
    else:
        for name in rule:
            if name not in PROMETHEUS_FIELDS:
                yield (name,), f"has a field {name!r}, which there is not{near(str(name), PROMETHEUS_FIELDS)}"
        if "expr" not in rule:
            yield (), "has no expr"
        else:
            yield from ((("expr",), one) for one in problems(str(rule["expr"]), recorded))
    if "alert" in rule or "data" in rule:
        yield from _of_alert(rule, known)


def _of_queries(queries: Any, recorded: Iterable[str]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield field and problem of what Grafana asks."""
    if not isinstance(queries, list):
        yield ("data",), "has something else under 'data' than a list of queries"
        return
    for index, query in enumerate(queries):
        model = query.get("model") if isinstance(query, dict) else None
        if not isinstance(model, dict):
            yield ("data", index), "has a query without a 'model' with its fields"
        elif "expr" in model:
            expr = str(model["expr"])
            yield from ((("data", index, "model", "expr"), one) for one in problems(expr, recorded))


def _of_alert(
    rule: Mapping[str, Any], known: Mapping[str, Any]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    wrong = [name for name in ("labels", "annotations") if not isinstance(rule.get(name) or {}, dict)]
    for name in wrong:
        yield (name,), f"has something else under {name!r} than names and values"
    if wrong:
        return
    severity = (rule.get("labels") or {}).get("severity")
    if severity not in SEVERITIES:
        came = "has no severity" if severity is None else f"has the severity {severity!r}"
        yield ("labels",), f"{came}; routes know {', '.join(SEVERITIES)}"
    address = (rule.get("annotations") or {}).get("runbook_url")
    if not address:
        yield ("annotations",), "has no runbook_url; whoever is woken will not know what to do"
        return
    folder, _, page = str(address).rpartition("/")
    if folder.endswith(f"/{FOLDER}") and page.endswith(SUFFIX) and page not in known:
        yield (
            ("annotations", "runbook_url"),
            f"names the runbook {page}, which there is not{near(page, known)}",
        )


def _packaged_series() -> set[str]:
    """Return the series that the packaged recording rules make."""
    text = (assets.root() / "alerts" / RULES_FILE).read_text(encoding="utf-8")
    return _series(Document(text, RULES_FILE, "A file of rules"))


def _series(document: Document) -> set[str]:
    return {str(rule["record"]) for _, rule in _each(document) if "record" in rule}
