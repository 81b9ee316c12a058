"""HTML and SVG in which text cannot become markup.

Labels, error texts and dashboards come from outside. `tag` escapes every child and every value
that is not `Markup` itself, so a piece of a page is escaped where it is made, once.
"""

from collections.abc import Iterable
from html import escape
from urllib.parse import urlsplit

VOID = frozenset({"meta", "br", "img", "col"})
SCHEMES = frozenset({"http", "https", "mailto", ""})
# What is invisible or turns the direction of text would let a label look like another one.
UNSEEN = {
    code: f"\\u{code:04x}"
    for code in (*range(0x09), *range(0x0B, 0x20), 0x7F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Child = str | float | int | None | Iterable["Child"]


def text(given: object) -> Markup:
    """Return text as markup that shows it.

    >>> text("<b>")
    '&lt;b&gt;'
    """
    return given if isinstance(given, Markup) else Markup(escape(visible(str(given)), quote=True))


def visible(given: str) -> str:
    """Return text with what cannot be seen written out, halves of surrogate pairs as well."""
    return given.translate(UNSEEN).encode("utf-8", "backslashreplace").decode()


def join(*children: Child) -> Markup:
    """Return children one after the other; None is nothing."""
    return Markup("".join(_flat(children)))


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """Return an element; `class_` is class, `stroke_width` is stroke-width, None is left out.

    >>> tag("p", "1 < 2", class_="x")
    '<p class="x">1 &lt; 2</p>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{join(*children)}</{name}>")


def number(value: object) -> str:
    """Return a coordinate with at most two digits after the point."""
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)


def svg(width: float, height: float, *children: Child, class_: str | None = None) -> Markup:
    """Return a drawing of so many pixels that a narrower page shrinks."""
    return tag(
        "svg",
        *children,
        class_=class_,
        xmlns="http://www.w3.org/2000/svg",
        width=float(width),
        height=float(height),
        viewBox=f"0 0 {number(float(width))} {number(float(height))}",
        role="img",
    )


def link(address: str, *children: Child, class_: str | None = None) -> Markup:
    """Return a link; only its text where the address could run something."""
    try:
        scheme = urlsplit(address.strip()).scheme.lower()
    except ValueError:
        return join(*children)
    if scheme not in SCHEMES or any(ord(character) < 0x20 for character in address):
        return join(*children)
    return tag("a", *children, href=address.strip(), class_=class_, rel="noreferrer")


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, str | int | float):
            yield text(child)
        else:
            yield from _flat(child)
