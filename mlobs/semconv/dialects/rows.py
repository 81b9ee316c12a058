"""The kinds of row that describe a dialect: where it keeps what the conventions have a name for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlobs.semconv import attributes as a
from mlobs.semconv.rows import Attribute

# One of a session's tags; the conventions have no name for it.
TENANT = Attribute(f"{a.TAG.name}.tenant", "string", "The tenant a call was made for.", "Tenant")
# In milliseconds; a moment in place of the seconds until it; input tokens without the cached ones.
Unit = Literal["", "ms", "moment", "uncached"]


@dataclass(frozen=True, slots=True)
class Source:
    """An attribute that holds a fact.

    Args:
        key: As on the wire.
        member: Where the attribute is a JSON object: which member of it; of an object in it: a/b.
        unit: How it is counted, where the conventions count otherwise.
        up_to: Only what stands before this character counts, unless the whole value has a meaning.
    """

    key: str
    member: str = ""
    unit: Unit = ""
    up_to: str = ""

    @property
    def name(self) -> str:
        """Return a name for the attribute, or for its member."""
        return f"{self.key}/{self.member}" if self.member else self.key


@dataclass(frozen=True, slots=True)
class Meaning:
    """What follows when an attribute has a certain value.

    Args:
        key: The attribute.
        value: What it says.
        facts: The facts that follow, with their values.
        named: The fact that the span's name is, or what the attribute `name_key` holds.
        name_key: See `named`.
    """

    key: str
    value: str
    facts: Mapping[Attribute, str]
    named: Attribute | None = None
    name_key: str = ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to spell what the conventions spell.

    Args:
        name: What the column Dialect says.
        about: One sentence.
        markers: A span that has one of these attributes is written in this dialect.
        sources: For each fact, where it may be; the first that is not empty counts.
        meanings: What the dialect says with values of its own.
        content: For each kind of content, the attributes that hold it; one with a dot at its end is
            the beginning of the names of many.
    """

    name: str
    about: str
    markers: tuple[str, ...]
    sources: Mapping[Attribute, tuple[Source, ...]]
    meanings: tuple[Meaning, ...] = ()
    content: Mapping[Attribute, tuple[str, ...]] = field(default_factory=dict)


def keys(*names: str) -> tuple[Source, ...]:
    """Return sources that are plain attributes."""
    return tuple(Source(name) for name in names)


def members(key: str, *names: str) -> tuple[Source, ...]:
    """Return sources that are members of one attribute's JSON object."""
    return tuple(Source(key, name) for name in names)


def nouns(
    key: str,
    words: Mapping[str, tuple[str, str]],
    named: Mapping[str, Attribute] | None = None,
    *,
    name_key: str = "",
) -> tuple[Meaning, ...]:
    """Return what each value of the attribute that tells kinds of spans apart means.

    Args:
        key: The attribute.
        words: For each value the operation, "" for none, and our noun.
        named: For some values: the fact that is the span's name.
        name_key: Where the name is; "" for the span's name.
    """
    names = named or {}
    return tuple(
        Meaning(
            key,
            value,
            {row: fact for row, fact in ((a.OPERATION_NAME, operation), (a.KIND, noun)) if fact},
            names.get(value),
            name_key,
        )
        for value, (operation, noun) in words.items()
    )
