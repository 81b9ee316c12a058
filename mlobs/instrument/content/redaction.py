"""Removes secrets and personal data from text, and leaves a note where they were.

Each rule is a row with an example that it removes and a near miss that it keeps; a test runs them
all. No pattern can take long on any text: repetitions are bounded, and none is inside another
that could share its characters.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote_plus

NOTE = "[removed: {}]"
MARK = "REDACTED"  # what the conventions put for a value in a query


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of thing to remove.

    Args:
        name: What the note says.
        pattern: Finds it. What a group called `keep` or `and` matched stays.
        example: A text with one in it.
        near_miss: A text that looks like it and stays.
        confirm: Decides about a match, where a pattern is not enough.
    """

    name: str
    pattern: re.Pattern[str]
    example: str
    near_miss: str
    confirm: Callable[[str], bool] | None = None


def _luhn(text: str) -> bool:
    """Return whether the check digit of a card number is right (ISO/IEC 7812-1)."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def _iban(text: str) -> bool:
    """Return whether the check digits of an account number are right (ISO 13616)."""
    plain = text.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1


_WORD = (
    r"pass(?:word|wd|phrase)|secret|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|(?:auth|access|refresh|bearer|session|id)[_-]?token|credential"
)
SECRETS: tuple[Rule, ...] = (
    Rule(
        "private key",
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^-]|-(?!----)){0,20000}"
            r"(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?"
        ),
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow==\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----\nMIIEow==\n-----END CERTIFICATE-----",
    ),
    Rule(
        "api key",
        re.compile(
            r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{20,300}|[rs]k_(?:live|test)_[A-Za-z0-9]{16,200}"
            r"|gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255}|glpat-[A-Za-z0-9_-]{20,100}"
            r"|AIza[A-Za-z0-9_-]{35}|xox[abposr]-[A-Za-z0-9-]{10,200}|hf_[A-Za-z0-9]{30,100}"
            r"|gsk_[A-Za-z0-9]{40,100}|xai-[A-Za-z0-9]{40,200}|pypi-[A-Za-z0-9_-]{40,300}|npm_[A-Za-z0-9]{36})"
        ),
        "use sk-proj-a1b2c3d4e5f6g7h8i9j0k1l2 for it",
        "we use sk-learn and hf_hub",
    ),
    Rule(
        "aws key",
        re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"),
        "AKIAIOSFODNN7EXAMPLE",
        "AKIAB is a town",
    ),
    Rule(
        "token",
        re.compile(
            r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,4000}\.eyJ[A-Za-z0-9_-]{4,8000}(?:\.[A-Za-z0-9_-]{0,2000})?"
        ),
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN",
        "eyJhbGciOiJIUzI1NiJ9 alone is a header",
    ),
    Rule(
        "header",
        re.compile(
            r"(?P<keep>(?<![A-Za-z0-9-])(?:proxy-)?(?:authorization|set-cookie|cookie|x-api-key)[\"']?\s{0,3}[:=]"
            r"\s{0,3}[\"']?)(?![\s\"']{0,5}\[removed)[^\r\n\"']{3,4000}",
            re.IGNORECASE,
        ),
        "Cookie: session=abc123; theme=dark",
        "no authorization was sent",
    ),
    Rule(
        "token",
        re.compile(
            r"(?P<keep>(?<![A-Za-z])(?:bearer|basic)\s{1,3})(?=\S{0,200}[0-9=_])[A-Za-z0-9._~+/=-]{12,4000}",
            re.IGNORECASE,
        ),
        "curl -H 'X: Bearer 0a1b2c3d4e5f6a7b'",
        "basic authentication is the bearer of bad news",
    ),
    Rule(
        "password",
        re.compile(r"(?P<keep>://[^\s/:@\[]{1,100}:)(?!\[removed)[^\s/@]{1,200}(?P<and>@)"),
        "postgres://app:hunter2@db/prod",
        "http://localhost:4318/v1/traces?at=x@y",
    ),
    Rule(
        "secret",
        re.compile(
            rf"(?P<keep>(?<![A-Za-z0-9])(?:[A-Za-z0-9]{{1,20}}[_-]){{0,3}}(?:{_WORD})s?[\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?)"
            r"(?![\s\"']{0,5}\[removed)[^\s\"',;&}\]]{3,500}",
            re.IGNORECASE,
        ),
        "DB_PASSWORD=hunter2 and client_secret: 'abcdef'",
        "max_tokens=512, input_tokens: 100, token_count=7, the password is long",
    ),
)
PERSONAL: tuple[Rule, ...] = (
    Rule(
        "email",
        re.compile(
            r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5}"
        ),
        "write to ana.maria+x@example.co.uk today",
        "meet @ana at 5 @ home",
    ),
    Rule(
        "card",
        re.compile(r"(?<![\d.])[2-6](?:[ -]?\d){12,18}(?![\d.])"),
        "card 4111 1111 1111 1111 please",
        "order 4111 1111 1111 1112, at 1732554000000000000",
        _luhn,
    ),
    Rule(
        "iban",
        re.compile(r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Z0-9])"),
        "to DE89 3704 0044 0532 0130 00",
        "part AB12 3456 7890 1234",
        _iban,
    ),
    Rule(
        "ssn",
        re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])"),
        "SSN 078-05-1120",
        "row 078-05-11201 and 900-12-3456",
    ),
    Rule(
        "phone",
        re.compile(
            r"(?<![\w.+])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}"
            r"|\(\d{3}\) ?\d{3}[-.]\d{4}|\d{3}-\d{3}-\d{4})(?![\w.]?\d)"
        ),
        "call +44 20 7946 0958 or (555) 123-4567",
        "version 10.20.300, 2026-11-25, +5 points, 1234567890",
    ),
)
RULES = (*SECRETS, *PERSONAL)

# What every secret has in it: without one of these no rule need be tried.
_HINT = re.compile(
    r"sk-|k_live|k_test|gh[pousr]_|_pat_|glpat|AIza|xox|hf_|gsk_|xai-|pypi-|npm_|AKIA|ASIA|eyJ|PRIVATE|://"
    r"|(?i:bearer|basic|pass|secret|key|token|credential|authori|cookie)"
)
_NAMES = re.compile(
    rf"(?:.{{0,40}}[_-])?(?:{_WORD})s?|(?:proxy-)?authorization|(?:set-)?cookie|x-api-key|pwd|token",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)  # keys come again and again
def is_secret(key: object) -> bool:
    """Return whether what has this name is a secret, whatever it looks like.

    >>> is_secret("http.request.header.x-api-key"), is_secret("gen_ai.usage.input_tokens")
    (True, False)
    """
    return isinstance(key, str) and _NAMES.fullmatch(key.rpartition(".")[2]) is not None


class Queries:
    """What is kept of what people type into URLs: the mode of all content, "off", "redacted" or "full"."""

    mode = "off"


_URLS = frozenset({"url.full", "url.original", "http.url", "http.target"})
# The conventions name these, beside what is a secret by its name anyway.
_SIGNED = {"X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "X-Goog-Signature", "sig"}
_PARAMETER = re.compile(r"[A-Za-z0-9_.$:%\[\]-]{1,64}")  # a longer or odd name is what somebody typed
_QUERY = re.compile(r"[?#]")


def redact_url(url: str) -> str:
    """Return a URL with as much of its query and fragment as `Queries.mode` keeps, and without secrets."""
    url = redact_secrets(url)
    found = _QUERY.search(url)
    return url if found is None else url[: found.end()] + redact_query(url[found.end() :])


def redact_query(query: str) -> str:
    """Return a query with its names, and as much of its values as `Queries.mode` keeps.

    >>> redact_query("q=my+card&page=2")
    'q=REDACTED&page=REDACTED'
    """
    return "&".join(_parameter(one) for one in query.split("&"))


def _parameter(text: str) -> str:
    name, equals, _ = text.partition("=")
    if Queries.mode == "off" or name in _SIGNED:
        shown = f"{name}={MARK}" if equals and _PARAMETER.fullmatch(name) else MARK
        return shown if text else text
    if equals and is_secret(unquote_plus(name)):
        return f"{name}={NOTE.format('secret')}"
    plain = unquote_plus(text)
    clean = redact_text(plain) if Queries.mode == "redacted" else redact_secrets(plain)
    return text if clean == plain else quote(clean, safe="=[]: /@", errors="replace")


def redact_attribute(key: str, value: Any) -> Any:
    """Return an attribute's value without secrets, and without what people typed into a URL.

    A secret is the whole of a value that is named so, and what looks like one in texts.
    """
    if isinstance(value, str):
        if key in _URLS:
            return redact_url(value)
        if key == "url.query":
            return redact_query(value)
        return NOTE.format("secret") if value and is_secret(key) else redact_secrets(value)
    return tuple(redact_attribute(key, one) for one in value) if isinstance(value, tuple) else value


def redact_secrets(text: str) -> str:
    """Return `text` without secrets; cheap for a short text that has none."""
    if len(text) < 8 or _HINT.search(text) is None:
        return text
    return _apply(SECRETS, text)


def redact_text(text: str) -> str:
    """Return `text` without secrets and personal data."""
    return _apply(PERSONAL, redact_secrets(text)) if len(text) > 5 else text


def redact(value: Any, names: frozenset[str] = frozenset(), *, rules: bool = True) -> Any:
    """Return a structure of dicts, lists and text without what must not be in it.

    Args:
        value: What came from JSON, or could become it.
        names: Keys whose values are removed whatever they are.
        rules: Whether secrets and personal data are looked for.
    """
    if not rules and not names:
        return value
    if isinstance(value, str):
        return redact_text(value) if rules else value
    if isinstance(value, list):
        return [redact(item, names, rules=rules) for item in value]
    if isinstance(value, dict):
        return {
            (redact_text(key) if rules else key): NOTE.format("by name")
            if key in names
            else NOTE.format("secret")
            if rules and isinstance(item, str) and item and is_secret(key)
            else redact(item, names, rules=rules)
            for key, item in value.items()
        }
    return value


def _apply(rules: tuple[Rule, ...], text: str) -> str:
    for rule in rules:
        text = rule.pattern.sub(lambda match, rule=rule: _replaced(rule, match), text)  # type: ignore[misc] # bound now
    return text


def _replaced(rule: Rule, match: re.Match[str]) -> str:
    whole = match.group()
    if rule.confirm is not None and not rule.confirm(whole):
        return whole
    groups = match.groupdict()
    return f"{groups.get('keep') or ''}{NOTE.format(rule.name)}{groups.get('and') or ''}"
