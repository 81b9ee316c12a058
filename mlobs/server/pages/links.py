"""Addresses of pages. A number on a page leads to the traces behind it: a question and a range."""

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from mlobs.server.ask.asked import literal
from mlobs.server.ask.syntax import Operator, Term, write


def address(path: str, given: Mapping[str, object] | None = None, **more: object) -> str:
    """Return an address; parameters without a value are left out.

    >>> address("/traces", {"since": "1h"}, q='service:"a b"', cursor="")
    '/traces?since=1h&q=service%3A%22a+b%22'
    """
    params = {
        name: str(value) for name, value in {**(given or {}), **more}.items() if value not in {None, ""}
    }
    return f"{path}?{urlencode(params)}" if params else path


def term(key: str, value: str, operator: Operator = ":") -> str:
    r"""Return the term of a question that a value is exactly so.

    >>> print(term("model", "gpt*4"))
    model:"gpt\*4"
    """
    return write(Term(key, operator, literal(value)))


def trace(trace_id: str, **given: object) -> str:
    """Return the address of a trace's page."""
    return address(f"/traces/{quote(trace_id, safe='')}", given)


def span(trace_id: str, span_id: str) -> str:
    """Return the address of a span's own page."""
    return f"/traces/{quote(trace_id, safe='')}/spans/{quote(span_id, safe='')}"
