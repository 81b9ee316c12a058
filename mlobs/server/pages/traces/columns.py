"""The columns that a list of traces may have."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        name: In addresses and in the template.
        title: Above it.
        number: Whether it is aligned to the right.
        sort: How the list is sorted by it, where it can be.
    """

    name: str
    title: str
    number: bool = False
    sort: str = ""


COLUMNS = (
    Column("started", "Started", sort="newest"),
    Column("name", "Trace"),
    Column("service", "Service"),
    Column("agent", "Agent"),
    Column("model", "Model"),
    Column("took", "Took", number=True, sort="slowest"),
    Column("spans", "Spans", number=True),
    Column("errors", "Errors", number=True),
    Column("tokens", "Tokens", number=True),
    Column("cost", "Cost", number=True, sort="dearest"),
    Column("input_tokens", "Input tokens", number=True),
    Column("output_tokens", "Output tokens", number=True),
    Column("session", "Session"),
    Column("user", "User"),
    Column("id", "Trace id"),
)
USUAL = ("started", "name", "service", "model", "took", "spans", "errors", "tokens", "cost")
# Without it nothing leads to a trace.
ALWAYS = "name"


def chosen(text: str) -> tuple[Column, ...]:
    """Return the columns that a text of names says, in their own order; the usual ones if it says none.

    >>> [column.name for column in chosen("cost,started,nonsense")]
    ['started', 'name', 'cost']
    """
    names: Sequence[str] = [name.strip() for name in text.split(",")]
    known = {column.name for column in COLUMNS}
    wanted = {name for name in names if name in known} or set(USUAL)
    return tuple(column for column in COLUMNS if column.name in wanted | {ALWAYS})
