"""What a backtest is asked and what it answers, as JSON."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlobs.alerts.document import near
from mlobs.alerts.message import examples, finite, iso
from mlobs.alerts.replay.replaying import Replayed, Shown, replay
from mlobs.alerts.rulefile import joined, parse_rules
from mlobs.alerts.rules import Rule
from mlobs.alerts.sql import Ask, question
from mlobs.alerts.words import for_people
from mlobs.errors import QueryError

SINCE_S_MAX = 400 * 86_400
WANTED = 'JSON was expected, such as {"since_s": 86400, "rule": "MlobsErrorRatioHigh"}'


class AbandonedError(Exception):
    """Whoever asked is gone."""


class Wanted(BaseModel):
    """What to replay.

    Args:
        since_s: How far back, in seconds.
        rule: One rule; all of them if it is None.
        rules: The text of a file of rules; only its rules are replayed.
        name: Of that file, for sentences.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    since_s: float = Field(gt=0, le=SINCE_S_MAX)
    rule: str | None = None
    rules: str | None = Field(default=None, max_length=1 << 20)
    name: str = Field(default="the file of rules", max_length=1000)


def read_wanted(body: bytes) -> Wanted:
    """Return what a request asks for.

    Raises:
        QueryError: It is not what was expected.
    """
    try:
        return Wanted.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise QueryError(f"{where + ': ' if where else ''}{problem['msg']}; {WANTED}.") from None


def chosen(wanted: Wanted, house: Sequence[Rule], packaged: Sequence[Rule]) -> list[Rule]:
    """Return the rules to replay.

    Args:
        wanted: What was asked.
        house: The rules that are evaluated.
        packaged: Those that ship.

    Raises:
        RuleError: The file has a typo; the sentence says where.
        QueryError: There is no such rule, or the server cannot evaluate it.
        SettingError: The file is not YAML.
    """
    rules = list(house)
    if wanted.rules is not None:
        file = parse_rules(wanted.rules, wanted.name, packaged)
        rules = list(file.rules if wanted.rule is None else joined(packaged, file))
    if wanted.rule is None:
        return [rule for rule in rules if question(rule, now_s=0.0) is not None]
    found = [rule for rule in rules if rule.name == wanted.rule]
    if not found:
        known = [rule.name for rule in rules]
        raise QueryError(
            f"There is no rule {wanted.rule!r}; mlobs alerts rules lists them{near(wanted.rule, known)}"
        )
    if question(found[0], now_s=0.0) is None:
        raise QueryError(f"{wanted.rule} is evaluated by Prometheus only; there is nothing to replay.")
    return found


def answered(
    rules: Sequence[Rule],
    ask: Ask,
    wanted: Wanted,
    *,
    now_s: float,
    interval_s: float,
    server_url: str,
    runbook: Callable[[Rule], str | None],
    is_abandoned: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Replay rules and return what each would have done; one that cannot be replayed says why.

    Raises:
        AbandonedError: `is_abandoned` said so before a question.
    """
    found: list[dict[str, Any]] = []

    def asking(sql: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        if is_abandoned():
            raise AbandonedError
        return ask(sql, params)

    for rule in rules:
        about = {
            "rule": rule.name,
            "severity": rule.severity,
            "runbook_url": runbook(rule),
        }
        try:
            replayed = replay(rule, asking, from_s=now_s - wanted.since_s, to_s=now_s, interval_s=interval_s)
        except QueryError as error:  # Such as a limit on time or memory; the others go on.
            found.append({**about, "error": str(error)})
            continue
        found.append({**about, "error": None, **_shown(replayed, server_url)})
    return {"from": iso(now_s - wanted.since_s), "to": iso(now_s), "rules": found}


def _shown(replayed: Replayed, server_url: str) -> dict[str, Any]:
    delays = sorted(one.detect_s for one in replayed.shown)
    return {
        "step_s": replayed.step_s,
        "alerts": len(replayed.episodes),
        "alerts_per_week": round(replayed.per_week, 2),
        "detect_s": delays[len(delays) // 2] if delays else None,
        "episodes": [_episode(replayed.rule, one, server_url) for one in replayed.shown],
    }


def _episode(rule: Rule, shown: Shown, server_url: str) -> Mapping[str, Any]:
    episode = shown.episode
    traces = examples(shown.trace_ids)
    return {
        "labels": dict(episode.labels),
        "summary": for_people(rule, rule.summary, episode.labels, episode.value),
        "broken": iso(episode.active_s),
        "started": iso(episode.firing_s),
        "resolved": None if episode.resolved_s is None else iso(episode.resolved_s),
        "detect_s": round(shown.detect_s, 3),
        "value": finite(episode.value),
        "trace_ids": traces,
        "trace_url": f"{server_url}/traces/{traces[0]}" if traces else None,
    }
