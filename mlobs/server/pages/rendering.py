"""A template and what it is given, as a response.

Everything is escaped unless a chart of ours made it (`markupsafe.Markup`). A script that refreshes a page
asks for a part of it, with the header X-Part; the same template is then rendered without what is around.
"""

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from mlobs._extras import require
from mlobs.server.pages import amounts, links
from mlobs.server.pages.assets import asset
from mlobs.server.pages.headers import PAGE_HEADERS
from mlobs.server.pages.navigation import SECTIONS

if TYPE_CHECKING:
    from jinja2 import Environment

PART, PARTS = "x-part", {"": "layout.html", "live": "part.html"}
SHOWN_CHARACTERS = 300
_ODD = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def render(request: Request, template: str, *, status: int = 200, **given: Any) -> Response:
    """Return a page, or the part of it that was asked for.

    Args:
        request: Says which part.
        template: A file of `templates/`.
        status: Of the answer.
        **given: What the template shows.
    """
    part = request.headers.get(PART, "")
    text = (
        environment()
        .get_template(template)
        .render(
            layout=PARTS.get(part, PARTS[""]),
            sections=SECTIONS,
            here=request.url.path,
            asked=str(request.url.query),
            signed_in=bool(getattr(request.state, "visitor", "")),
            **given,
        )
    )
    # A script asked for the part on purpose: what it says is shown, and a browser reports no failure.
    told = {"X-Status": str(status)} if part else {}
    return HTMLResponse(text, 200 if part else status, headers={**PAGE_HEADERS, **told})


@cache
def environment() -> "Environment":
    """Return the templates, with the words that all of them use."""
    jinja = require("jinja2", extra="server", feature="The server")
    made: Environment = jinja.Environment(
        loader=jinja.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "duration": amounts.duration,
        "money": amounts.money,
        "count": amounts.count,
        "whole": amounts.whole,
        "noun": amounts.noun,
        "plain": amounts.plain,
        "ratio": amounts.ratio,
        "size": amounts.size,
        "utc": amounts.utc,
        "clean": clean,
        "cut": cut,
    }
    made.globals |= {
        "asset": asset,
        "address": links.address,
        "trace_address": links.trace,
        "term": links.term,
    }
    return made


def clean(text: object) -> str:
    r"""Return text with every character visible that would change how its surroundings are read.

    Controls, halves of characters and marks that turn the direction of writing are shown by their numbers.

    >>> clean("a\u202eb\x00")
    'a⟨U+202E⟩b⟨U+0000⟩'
    """
    return _ODD.sub(lambda one: f"⟨U+{ord(one[0]):04X}⟩", str(text))


def cut(text: object, characters: int = SHOWN_CHARACTERS) -> str:
    """Return clean text of at most so many characters; an ellipsis says that there is more.

    >>> cut("abcdef", 4)
    'abc…'
    """
    whole = str(text)
    return clean(whole if len(whole) <= characters else whole[: characters - 1] + "…")


def _source(name: str) -> str:
    return (files("mlobs.server.pages") / "templates" / name).read_text(encoding="utf-8")
