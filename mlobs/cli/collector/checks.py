"""What mlobs finds wrong with a collector's configuration by reading it, without the collector.

Each finding names the file, the line and the key, and says what to do. An error keeps the
collector from starting, loses data it has acknowledged, or opens it to anyone; a note is worth
knowing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mlobs.cli.collector import exposure, safety, values
from mlobs.cli.collector.components import COMPONENTS, FORMER
from mlobs.cli.collector.finding import Finding, Found, near
from mlobs.cli.collector.reading import Document, Path, map_at

SECTIONS = (*COMPONENTS, "service")


@dataclass(frozen=True, slots=True)
class Check:
    """A rule about configurations."""

    name: str
    find: Callable[[Document], Iterator[Found]]


def check(document: Document) -> list[Finding]:
    """Return what is wrong with a configuration, in the order of its lines."""
    findings = [
        Finding(document.place(found.path), found.path, found.level, found.text)
        for rule in CHECKS
        for found in rule.find(document)
    ]
    findings += [
        Finding(place, path, "error", "this key stands twice, and the collector refuses that. Remove one.")
        for path, place in document.repeated
    ]
    return sorted(
        dict.fromkeys(findings),
        key=lambda one: (one.place.file, one.place.line) if one.place else ("", 0),
    )


def unknown_sections(document: Document) -> Iterator[Found]:
    """A section the collector does not have."""
    for name in document.data:
        if name not in SECTIONS:
            yield Found((name,), f"there is no section {name!r}.{near(name, SECTIONS)}")
    if not isinstance(document.data.get("service"), dict):
        yield Found(
            ("service",), "there is no service: section, so nothing would run. Add one with pipelines:."
        )


def unknown_components(document: Document) -> Iterator[Found]:
    """A type that mlobs' collector does not have, or that has another name now."""
    for section, known in COMPONENTS.items():
        former = FORMER.get(section, {})
        for name in map_at(document.data, section):
            kind = name.split("/")[0]
            if name.endswith("/"):
                yield Found((section, name), f"{name!r} ends with a slash. Write {kind!r}, or {kind}/name.")
            elif kind in former:
                yield Found(
                    (section, name),
                    f"{kind!r} is called {former[kind]!r} now; the old name is on its way out. "
                    f"Rename it here and in service:.",
                    "note",
                )
            elif kind not in known:
                yield Found(
                    (section, name),
                    f"mlobs' collector has no {section.removesuffix('s')} {kind!r}."
                    f"{near(kind, (*known, *former))} It has: {', '.join(known)}.",
                )


def missing_variables(document: Document) -> Iterator[Found]:
    """A variable without a default that is not set."""
    for path, name in document.missing:
        yield Found(
            path,
            f"${name} is not set. Set it, or give it a default: ${{env:{name}:-value}}.",
        )


def undefined(document: Document) -> Iterator[Found]:
    """A pipeline, or the list of extensions, names what is not defined."""
    for signal, role, name, path in _uses(document):
        sections = {"receivers": ("receivers", "connectors"), "exporters": ("exporters", "connectors")}
        places = sections.get(role, (role,))
        defined = [found for section in places for found in map_at(document.data, section)]
        if name not in defined:
            yield Found(
                path,
                f"{signal} names the {role.removesuffix('s')} {name!r}, which is not defined."
                f"{near(name, defined)} Define it under {' or '.join(f'{one}:' for one in places)}.",
            )


def unused(document: Document) -> Iterator[Found]:
    """Defined, and in no pipeline; an extension that is not switched on does nothing."""
    used: dict[str, set[str]] = {section: set() for section in COMPONENTS}
    for _, role, name, _ in _uses(document):
        used[role].add(name)
    used["connectors"] = used["receivers"] | used["exporters"]
    for section, names in used.items():
        for name in map_at(document.data, section):
            if name in names:
                continue
            if section == "extensions":
                place = document.place(("service", "extensions"))
                where = f" ({place.file}:{place.line})" if place else ""
                text = f"{name!r} is not listed in service: extensions:{where}, so it is off. List it there."
                yield Found((section, name), text)
            else:
                yield Found(
                    (section, name), f"{name!r} is in no pipeline. Name it in one, or remove it.", "note"
                )
    for name in map_at(document.data, "connectors"):
        ends = [section for section in ("exporters", "receivers") if name in used[section]]
        if len(ends) == 1:
            other = "receivers" if ends == ["exporters"] else "exporters"
            yield Found(
                ("connectors", name),
                f"a connector ends one pipeline and begins another, and {name!r} is only among {ends[0]}. "
                f"Name it among the {other} of another pipeline.",
            )


def pipelines(document: Document) -> Iterator[Found]:
    """A pipeline needs a name that begins with its signal, and both ends."""
    for name, pipeline in map_at(map_at(document.data, "service"), "pipelines").items():
        path: Path = ("service", "pipelines", name)
        if name.split("/")[0] not in ("traces", "metrics", "logs", "profiles"):
            yield Found(
                path, f"{name!r} is no signal. Name pipelines traces, metrics or logs, or traces/more."
            )
        for end in ("receivers", "exporters"):
            if not isinstance(pipeline, dict) or not pipeline.get(end):
                yield Found(path, f"the pipeline {name!r} has no {end}. Add {end}: [...].")
        for role in ("receivers", "processors", "exporters"):
            told = pipeline.get(role) if isinstance(pipeline, dict) else None
            if told is not None and not isinstance(told, list):
                yield Found((*path, role), f"{role} is a list, and {told!r} is none. Write [{told}].")


def limiter_first(document: Document) -> Iterator[Found]:
    """What stands before the limiter has taken the memory already.

    A pipeline that only connectors feed needs none: what comes was limited where it came in.
    """
    for name, pipeline in map_at(map_at(document.data, "service"), "pipelines").items():
        processors = _list(pipeline, "processors")
        path: Path = ("service", "pipelines", name, "processors")
        limiters = [found for found in processors if found.split("/")[0] == "memory_limiter"]
        fed = set(_list(pipeline, "receivers"))
        if not limiters and fed and fed <= map_at(document.data, "connectors").keys():
            continue
        if not limiters:
            yield Found(
                path,
                f"the pipeline {name!r} has no memory_limiter, so a burst can end the process. "
                f"Make memory_limiter its first processor.",
            )
        elif processors[0] not in limiters:
            yield Found(
                path,
                f"{limiters[0]!r} is not first in the pipeline {name!r}, and what stands before it has taken "
                f"the memory already. Move it to the front.",
            )


CHECKS: tuple[Check, ...] = (
    Check("sections", unknown_sections),
    Check("components", unknown_components),
    Check("settings", values.settings),
    Check("policies", values.policies),
    Check("variables", missing_variables),
    Check("undefined", undefined),
    Check("unused", unused),
    Check("pipelines", pipelines),
    Check("limiter", limiter_first),
    Check("receivers", exposure.open_receivers),
    Check("authenticators", exposure.authenticators),
    Check("shown", exposure.open_pages),
    Check("clear", exposure.clear_text),
    Check("ports", exposure.one_port_twice),
    Check("queues", safety.queues),
    Check("storage", safety.storage),
    Check("batches", safety.batches),
    Check("redaction", safety.redaction),
)


def _uses(document: Document) -> Iterator[tuple[str, str, str, Path]]:
    """Yield who names a component, in which role, which, and where."""
    service = map_at(document.data, "service")
    for number, name in enumerate(_list(service, "extensions")):
        yield "service", "extensions", name, ("service", "extensions", str(number))
    for name, pipeline in map_at(service, "pipelines").items():
        for role in ("receivers", "processors", "exporters"):
            for number, component in enumerate(_list(pipeline, role)):
                path = ("service", "pipelines", name, role, str(number))
                yield f"the pipeline {name!r}", role, component, path


def _list(value: Any, key: str) -> list[str]:
    found = value.get(key) if isinstance(value, dict) else None
    return [str(item) for item in found] if isinstance(found, list) else []
