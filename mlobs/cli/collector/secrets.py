"""The processors that take secrets out in the collector: what the SDK's rules find, in Go's syntax.

Go's expressions look neither ahead nor behind, and are fast only where each begins with letters
that stand for themselves: 4 us for 4 kB in place of 100. So each kind is an expression of its own,
and a word that people write in several ways begins at its second letter. A test holds them against
the SDK's rules. The whole match becomes ****, also the word that says what it is.
"""

from collections.abc import Iterator
from typing import Any

from mlobs.cli.collector.statements import literal

MASK = "****"
# Long enough for every message that people read; the requests themselves have a limit as well.
TEXT_MAX, NAME_MAX, STATUS_MAX = 262_144, 4096, 16_384
_LETTERS = "[A-Za-z0-9]"
# Keys and tokens that are known by their own look.
ALONE: tuple[str, ...] = (
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^-]|-{1,4}[^-])*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?",
    # The one slow expression: without the edge of a word, task-... and risk-... would be keys.
    r"\bsk-[A-Za-z0-9_-]{20,}",
    *(f"{kind}_{use}_{_LETTERS}{{16,}}" for kind in ("sk", "rk") for use in ("live", "test")),
    *(f"gh{kind}_{_LETTERS}{{30,}}" for kind in "pousr"),
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"glpat-[A-Za-z0-9_-]{20,}",
    r"AIza[A-Za-z0-9_-]{35}",
    r"xox[abposr]-[A-Za-z0-9-]{10,}",
    f"hf_{_LETTERS}{{30,}}",
    f"gsk_{_LETTERS}{{40,}}",
    f"xai-{_LETTERS}{{40,}}",
    r"pypi-[A-Za-z0-9_-]{40,}",
    f"npm_{_LETTERS}{{36}}",
    r"AKIA[A-Z0-9]{16}\b",
    r"ASIA[A-Z0-9]{16}\b",
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+",
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}",
    r"://[^\s/:@\[]+:[^\s/@\[][^\s/@]*@",
)
# Between a word and its value; in JSON within JSON the quotes are escaped.
_IS = r"\\*[\"']?\s{0,3}[:=]\s{0,3}\\*[\"']?"
_VALUE = r"[^\s\"',;&}\]\[\\*][^\s\"',;&}\]\\]{2,}"
_LINE = r"[^\s\"'\[\\*][^\r\n\"'\\]{2,}"
# A credential is long, with a digit in it, or another character that words do not have.
_CREDENTIAL = (
    r"\s{1,3}(?:[A-Za-z.~+/-]{8,}[0-9=_][A-Za-z0-9._~+/=-]*|[A-Za-z.~+/-]*[0-9=_][A-Za-z0-9._~+/=-]{8,})"
)
# What follows a word is the secret. Each as it is written small, and in capitals.
WORDS: tuple[str, ...] = (
    *(f"{word}s?{_IS}{_VALUE}" for word in ("assword", "PASSWORD", "asswd", "PASSWD", "assphrase")),
    *(f"{word}s?{_IS}{_VALUE}" for word in ("PASSPHRASE", "ecret", "SECRET", "redential", "CREDENTIAL")),
    *(f"{word}[_-]?[kK]eys?{_IS}{_VALUE}" for word in ("pi", "ccess", "rivate")),
    *(f"{word}[_-]?KEYS?{_IS}{_VALUE}" for word in ("API", "ACCESS", "PRIVATE")),
    *(f"{word}[_-]?[tT]okens?{_IS}{_VALUE}" for word in ("uth", "ccess", "efresh", "earer", "ession")),
    *(f"{word}[_-]?TOKENS?{_IS}{_VALUE}" for word in ("AUTH", "ACCESS", "REFRESH", "BEARER", "SESSION")),
    *(f"{word}{_IS}{_LINE}" for word in ("uthorization", "AUTHORIZATION", "ookie", "COOKIE")),
    *(word + _CREDENTIAL for word in ("earer", "BEARER", "asic", "BASIC")),
)
# Names whose values are secret whatever they are; only tokens in the singular, for others are counts.
KEY = (
    r"(?i)(?:(?:pass(?:word|wd|phrase)|secret|(?:api|access|private)[_-]?key|credential)s?"
    r"|(?:auth|access|refresh|bearer|session)[_-]?token"
    r"|(?:^|[._-])(?:id[_-]?token|pwd|authorization|cookie))(?:[_-](?:value|hash))?$"
)


def secrets_part() -> dict[str, Any]:
    """Return the part of a configuration that holds the processors."""
    values = [*ALONE, *WORDS]
    return {
        "processors": {
            "redaction/secrets": {
                "allow_all_keys": True,
                # Maps and lists as well: what has a secret in it becomes text in JSON.
                "redact_all_types": True,
                "ignored_key_patterns": [r"^gen_ai\.usage\.", r"^gen_ai\.token\."],
                "blocked_key_patterns": [KEY],
                "blocked_values": values,
                "summary": "info",
            },
            # The note of what was masked would become a label of its own on a metric.
            "redaction/labels": {
                "allow_all_keys": True,
                "redact_all_types": True,
                "ignored_key_patterns": [r"^gen_ai\.token\."],
                "blocked_key_patterns": [KEY],
                "blocked_values": values,
                "summary": "silent",
            },
            "transform/hygiene": {
                "error_mode": "ignore",
                "trace_statements": list(_of_traces()),
                "log_statements": list(_of_logs()),
            },
            "transform/names": {
                "error_mode": "ignore",
                "metric_statements": list(_of_metrics()),
            },
        }
    }


def _whole() -> str:
    """One expression for what the redaction processor does not see, such as names."""
    return "|".join((*ALONE, *WORDS))


def _masked(path: str) -> str:
    return f"replace_pattern({path}, {literal(_whole())}, {literal(MASK)})"


def _masked_all(path: str) -> str:
    return f'replace_all_patterns({path}, "value", {literal(_whole())}, {literal(MASK)})'


def _masked_keys(path: str) -> str:
    """A name says nothing of a password beside it; a key or a token in it is known by its own look."""
    return f'replace_all_patterns({path}, "key", {literal("|".join(ALONE))}, {literal(MASK)})'


def _cut(path: str, cache: str, size: int, where: str = "") -> Iterator[str]:
    """Only attributes can be cut without halving a character: so by way of the cache."""
    yield f'set({cache}["text"], {path}) where Len({path}) > {size}{where}'
    yield f'truncate_all({cache}, {size}) where {cache}["text"] != nil'
    yield f'set({path}, {cache}["text"]) where {cache}["text"] != nil'
    yield f'delete_key({cache}, "text")'


def _of_traces() -> Iterator[dict[str, Any]]:
    yield {"context": "resource", "statements": [f"truncate_all(resource.attributes, {NAME_MAX * 4})"]}
    yield {"context": "scope", "statements": _scope()}
    yield {
        "context": "span",
        "statements": [
            *_cut("span.name", "span.cache", NAME_MAX),
            *_cut("span.status.message", "span.cache", STATUS_MAX),
            _masked("span.name"),
            f'{_masked("span.status.message")} where span.status.message != ""',
            f'{_masked("span.trace_state")} where span.trace_state != ""',
            _masked_keys("span.attributes"),
            'delete_key(span.attributes, "redaction.ignored.count")',
            f"truncate_all(span.attributes, {TEXT_MAX})",
        ],
    }
    yield {
        "context": "spanevent",
        "statements": [
            *_cut("spanevent.name", "spanevent.cache", NAME_MAX),
            _masked("spanevent.name"),
            _masked_keys("spanevent.attributes"),
            f"truncate_all(spanevent.attributes, {TEXT_MAX})",
        ],
    }


def _scope() -> list[str]:
    return [
        *_cut("scope.name", "scope.cache", NAME_MAX),
        _masked("scope.name"),
        f'{_masked("scope.version")} where scope.version != ""',
    ]


def _of_logs() -> Iterator[dict[str, Any]]:
    yield {"context": "resource", "statements": [f"truncate_all(resource.attributes, {NAME_MAX * 4})"]}
    yield {"context": "scope", "statements": _scope()}
    yield {
        "context": "log",
        "statements": [
            *_cut("log.body", "log.cache", TEXT_MAX, " and IsString(log.body)"),
            f'{_masked("log.event_name")} where log.event_name != ""',
            _masked_keys("log.attributes"),
            'delete_key(log.attributes, "redaction.ignored.count")',
            f"truncate_all(log.attributes, {TEXT_MAX})",
        ],
    }


def _of_metrics() -> Iterator[dict[str, Any]]:
    yield {"context": "scope", "statements": _scope()}
    yield {
        "context": "metric",
        "statements": [
            _masked("metric.name"),
            _masked("metric.description"),
            _masked_all("metric.metadata"),
        ],
    }
    yield {"context": "datapoint", "statements": [_masked_keys("datapoint.attributes")]}
    yield {"context": "exemplar", "statements": [_masked_all("exemplar.filtered_attributes")]}
