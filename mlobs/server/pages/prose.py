r"""Reads the little Markdown that runbooks are written in: headings, paragraphs, lists, code, links.

What comes out is data for a template, which escapes it; nothing in a page of prose becomes markup of its own.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

Block = dict[str, Any]
Part = tuple[str, str, str]  # text, code, strong or link; the words; where a link leads.

_ITEM = re.compile(r"(\*|-|[0-9]{1,3}\.) +")
_INLINE = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\(([^)\s]+)\)")
LINKS = ("https://", "http://", "/")
CODE = 4
DEPTH_MAX = 6


def blocks(text: str) -> list[Block]:
    r"""Return the blocks of a text.

    >>> [one["kind"] for one in blocks("# Title\n\nWords\nand more.\n\n    code\n\n* one\n* two")]
    ['heading', 'text', 'code', 'list']
    """
    return list(_blocks(text.expandtabs(4).splitlines(), DEPTH_MAX))


def parts(text: str) -> list[Part]:
    """Return the words of a line: plain, code, strong, and links to pages.

    >>> parts("See `mlobs doctor` and [this](javascript:x).")
    [('text', 'See ', ''), ('code', 'mlobs doctor', ''), ('text', ' and [this](javascript:x).', '')]
    """
    found: list[Part] = []
    at = 0
    for one in _INLINE.finditer(text):
        code, strong, words, where = one.groups()
        if where is not None and not where.startswith(LINKS):
            continue
        if one.start() > at:
            found.append(("text", text[at : one.start()], ""))
        if code is not None:
            found.append(("code", code, ""))
        elif strong is not None:
            found.append(("strong", strong, ""))
        else:
            found.append(("link", words, where))
        at = one.end()
    return [*found, ("text", text[at:], "")] if at < len(text) else found


def _blocks(lines: Sequence[str], depth: int) -> Iterator[Block]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif line.startswith("#"):
            yield {
                "kind": "heading",
                "level": len(line) - len(line.lstrip("#")),
                "parts": parts(_heading(line)),
            }
            at += 1
        elif line.startswith(" " * CODE):
            end = _end(lines, at, lambda one: one.startswith(" " * CODE))
            yield {"kind": "code", "text": "\n".join(one[CODE:] for one in lines[at:end])}
            at = end
        elif _ITEM.match(line) and depth:
            end = _end(lines, at, lambda one: bool(_ITEM.match(one)) or one.startswith("  "))
            yield _list(lines[at:end], depth)
            at = end
        else:
            end = at + 1
            while end < len(lines) and lines[end].strip() and not _begins(lines[end]):
                end += 1
            yield {"kind": "text", "parts": parts(" ".join(one.strip() for one in lines[at:end]))}
            at = end


def _list(lines: Sequence[str], depth: int) -> Block:
    items: list[list[str]] = []
    indent = 0
    for line in lines:
        found = _ITEM.match(line)
        if found:
            indent = found.end()
            items.append([line[indent:]])
        else:
            lead = len(line) - len(line.lstrip(" "))
            items[-1].append(line[min(lead, indent) :])
    return {
        "kind": "list",
        "ordered": lines[0][0].isdigit(),
        "items": [list(_blocks(item, depth - 1)) for item in items],
    }


def _end(lines: Sequence[str], at: int, goes_on: Any) -> int:
    """Return where a block ends whose lines may have empty ones between them."""
    end = last = at + 1
    while end < len(lines) and (not lines[end].strip() or goes_on(lines[end])):
        end += 1
        if lines[end - 1].strip():
            last = end
    return last


def _heading(line: str) -> str:
    return line.lstrip("#").strip()


def _begins(line: str) -> bool:
    return line.startswith("#") or _ITEM.match(line) is not None
