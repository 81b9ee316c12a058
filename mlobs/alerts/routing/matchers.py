"""Conditions on labels, written as Alertmanager writes them: severity="critical", team=~"web|shop"."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
SHAPE = re.compile(rf"\s*({LABEL.pattern})\s*(=~|!~|!=|=)\s*(.*?)\s*", re.DOTALL)
LABEL_CHARACTERS_MAX = 1024  # Longer values are cut before a pattern sees them.


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition; a label that is not there is an empty text."""

    label: str
    operator: str
    value: str

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Return whether the condition is true.

        >>> matcher('team=~"web|shop"').holds({"team": "shop"})
        True
        """
        came = labels.get(self.label, "")[:LABEL_CHARACTERS_MAX]
        if self.operator in {"=", "!="}:
            return (came == self.value) == (self.operator == "=")
        return (re.fullmatch(self.value, came) is not None) == (self.operator == "=~")

    def __str__(self) -> str:
        quoted = self.value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.label}{self.operator}"{quoted}"'


def matcher(text: str) -> Matcher:
    """Return a condition as users write it; quotes around the value may be left out.

    Raises:
        ValueError: It is not one, or its pattern is not a regular expression.
    """
    found = SHAPE.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text[:80]!r} came; a label, one of = != =~ !~ and a value was wanted, as in severity=critical"
        )
    label, operator, value = found.groups()
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if operator in {"=~", "!~"}:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"{value[:80]!r} is not a regular expression: {error}") from None
    return Matcher(label, operator, value)


def labels_of(message: Mapping[str, object]) -> dict[str, str]:
    """Return what conditions see of a message: its labels, and rule, severity, component and source."""
    labels = message.get("labels")
    told = {name: str(message.get(name) or "") for name in ("rule", "severity", "component", "source")}
    found = {str(name): str(value) for name, value in labels.items()} if isinstance(labels, dict) else {}
    return {**told, "alertname": told["rule"], **found}
