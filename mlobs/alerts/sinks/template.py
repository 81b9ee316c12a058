"""Titles and texts that users write for a sink: names with $ before them, and nothing that runs.

    title: "${status}: ${rule} in ${service_name}"

A name is a field of the message (`FIELDS`) or a label of the alert; `${labels.rule}` is always the
label. What an alert does not have is shown as (no name). Two dollars are one. The words around
the names are the user's own and stay as they are; what is filled in comes from strangers, so
it is escaped as the sink needs it and never read as a template again.
"""

from collections.abc import Callable
from string import Template
from typing import Annotated

from pydantic import AfterValidator

from mlobs.alerts.sinks.told import Told

TEMPLATE_CHARACTERS_MAX = 4000
FIELDS = (
    "status", "title", "summary", "description", "rule", "severity", "component", "value", "value_text",
    "since", "started", "resolved", "end", "fingerprint", "source", "runbook_url", "trace_url", "server_url",
    "top", "firing",
)  # fmt: skip


class _Template(Template):
    idpattern = r"(?a:[_A-Za-z][_A-Za-z0-9]*(?:\.[_A-Za-z0-9]+)*)"
    flags = 0  # type: ignore[assignment] # none; the base class has IGNORECASE


def _checked(text: str) -> str:
    if len(text) > TEMPLATE_CHARACTERS_MAX:
        raise ValueError(f"{len(text)} characters came; a template has at most {TEMPLATE_CHARACTERS_MAX}")
    if not _Template(text).is_valid():
        raise ValueError("a $ must begin a name such as ${rule}; for the sign itself write $$")
    return text


TemplateText = Annotated[str, AfterValidator(_checked)]


def fill(template: str, told: Told, escape: Callable[[str], str] = str) -> str:
    """Return a template filled in.

    Args:
        template: As the user wrote it, checked.
        told: The message.
        escape: Makes a value safe where it will stand.
    """
    made = _Template(template)
    return made.substitute({name: escape(_value(name, told)) for name in made.get_identifiers()})


def _value(name: str, told: Told) -> str:
    """Return what stands for a name; one that the alert does not have never costs a message."""
    found = told.field(name) if name in FIELDS else told.labels.get(name.removeprefix("labels."))
    return found or f"(no {name})"
