"""Draws the `text` panel: the Markdown that dashboards use, every other sign as it stands."""

import re
from collections.abc import Iterator

from mlobs.dashboards.preview.drawing import Task
from mlobs.dashboards.preview.markup import Markup, join, link, tag, text

INLINE = re.compile(
    r"`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*|\*(?P<em>[^*\s][^*]*)\*|\[(?P<label>[^\]]*)\]\((?P<to>[^)\s]*)\)"
)
ITEM = re.compile(r"\s*(?:[-*]|(\d+)\.)\s+(.*)")
HEADING = re.compile(r"(#{1,4})\s+(.*)")
FENCE = re.compile(r" {0,3}(?P<marks>`{3,}(?=[^`]*$)|~{3,}).*")


def words(task: Task) -> Markup:
    """Return the panel's text; HTML in it is shown and not obeyed."""
    given = task.filled(str(task.options.get("content", "")))
    if task.options.get("mode") == "code":
        return tag("pre", given, class_="words")
    return tag("div", _blocks(task, given.splitlines()), class_="words")


def _blocks(task: Task, lines: list[str]) -> list[Markup]:
    made: list[Markup] = []
    paragraph: list[str] = []
    items: list[tuple[bool, str]] = []

    def close() -> None:
        if paragraph:
            made.append(tag("p", inline(task, " ".join(paragraph))))
            paragraph.clear()
        if items:
            name = "ol" if items[0][0] else "ul"
            made.append(tag(name, [tag("li", inline(task, item)) for _, item in items]))
            items.clear()

    waiting = iter(lines)
    for line in waiting:
        if fence := FENCE.fullmatch(line):
            close()
            made.append(tag("pre", _code(fence["marks"], waiting)))
            continue
        heading, item = HEADING.fullmatch(line), ITEM.fullmatch(line)
        if heading or not line.strip():
            close()
        if heading:
            made.append(tag(f"h{len(heading[1]) + 1}", inline(task, heading[2])))
        elif item:
            if paragraph:
                close()
            items.append((item[1] is not None, item[2]))
        elif items and line.strip():
            items[-1] = (items[-1][0], f"{items[-1][1]} {line.strip()}")
        elif line.strip():
            paragraph.append(line.strip())
    close()
    return made


def _code(marks: str, lines: Iterator[str]) -> str:
    """Return the lines up to the end of a block of code, or of the text where nobody ended it."""
    code: list[str] = []
    for line in lines:
        end = line.strip()
        if end.startswith(marks) and not end.strip(marks[0]):
            break
        code.append(line)
    return "\n".join(code)


def inline(task: Task, given: str) -> Markup:
    """Return one line with its code, stress and links."""
    parts: list[Markup] = []
    place = 0
    for found in INLINE.finditer(given):
        parts.append(text(given[place : found.start()]))
        place = found.end()
        if found["to"] is not None:
            address = task.addresses(found["to"])
            label = found["label"]
            parts.append(link(address, label) if address else tag("span", label, class_="link"))
        elif found["code"] is not None:
            parts.append(tag("code", found["code"]))
        else:
            parts.append(tag("strong", found["strong"]) if found["strong"] else tag("em", found["em"]))
    return join(*parts, text(given[place:]))
