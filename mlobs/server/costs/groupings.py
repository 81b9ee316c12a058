"""What costs can be divided by, as SQL over `calls`.

Who a call was made for is often said by another span of its trace, so session, conversation, user and tenant
are looked for there where the call itself does not say. For agents see `agents`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from mlobs.errors import QueryError
from mlobs.semconv import attributes as a
from mlobs.server.ask.compiling import TIMES, Value
from mlobs.server.ask.keys import groupable, grouping
from mlobs.server.costs import agents
from mlobs.server.costs.summed import SERVICE_VERSION, fits

TIMES_OF_DAY = {"hour": "%Y-%m-%dT%H:00:00Z", "day": "%Y-%m-%d", "month": "%Y-%m"}
_EXPERIMENT = f"{a.EXPERIMENT.name}."
_OF_TRACE = ("session", "conversation", "user", "tenant")
_MANY = frozenset({"session", "conversation", "user"})
_OWN = {"tenant": "toString(Tenant)"}


@dataclass(slots=True)
class Groups:
    """How calls are grouped.

    Attributes:
        names: As they were asked for.
        extra: What `calls` has to select, each with a comma before it.
        joins: What `calls` is joined with.
        keys: The expression of each group, over both.
        params: Of the expressions.
        summed: What of `call_sums` is to be selected instead of `extra`; None if it does not tell the groups.
        own: What calls say themselves, or else others of their trace, with the names of what they say.
        by_agent: Whether agents have to be joined, as `agents` says.
        told_apart: The number of the name whose groups are one but for those of the parameter `named`; it is
            called by the parameter `others`.
    """

    names: tuple[str, ...] = ()
    extra: str = ""
    joins: str = ""
    keys: list[str] = field(default_factory=list)
    params: dict[str, Value] = field(default_factory=dict)
    summed: str | None = ""
    own: dict[str, str] = field(default_factory=dict)
    by_agent: bool = False
    told_apart: int | None = None

    def named_keys(self, *, own: bool) -> list[tuple[str, str]]:
        """Return the name and the expression of each group.

        Args:
            own: Whether every call says itself what it was made for.
        """
        found = []
        for number, key in enumerate(self.own_keys if own else self.keys):
            if number == self.told_apart:
                listed = "JSONExtract({named:String}, 'Array(String)')"
                key = f"if({key} IN ({listed}), {key}, {{others:String}})"
            found.append((f"group_{number}", key))
        return found

    @property
    def own_keys(self) -> list[str]:
        """The expression of each group where every call says itself what it was made for."""
        return [
            key if name in (*TIMES_OF_DAY, "agent") else f"own_{number}"
            for number, (name, key) in enumerate(zip(self.names, self.keys, strict=True))
        ]

    @property
    def by_time(self) -> bool:
        """Whether the first group is one of time, so that rows are in its order."""
        return bool(self.names) and self.names[0] in TIMES_OF_DAY

    @property
    def many(self) -> bool:
        """Whether there may be so many that the dearest are better found first, and only these added up."""
        return not self.by_time and self.told_apart is None and not _MANY.isdisjoint(self.names)


def groups(names: Sequence[str]) -> Groups:
    """Return how calls are grouped.

    Raises:
        QueryError: Nothing is grouped by one of the names.
    """
    found = Groups(tuple(names))
    for number, name in enumerate(names):
        if name in TIMES_OF_DAY:
            found.keys.append(f"formatDateTime(Timestamp, '{TIMES_OF_DAY[name]}', 'UTC')")
            continue
        if name == "agent":
            if not found.by_agent:
                found.extra += f", {agents.OF_SPANS}"
                if found.summed is not None:
                    found.summed += f", {agents.OF_SUMS}"
                found.by_agent = True
            found.keys.append(agents.AGENT)
            continue
        own = _own(name, number, found.params)
        found.extra += f", {own} AS own_{number}"
        of_sums = "ServiceVersion" if name == SERVICE_VERSION else own
        if found.summed is not None:
            found.summed += f", {of_sums} AS own_{number}"
        if not fits(of_sums):
            found.summed = None
        if name in _OF_TRACE:
            told = (
                f"SELECT TraceId, argMin({own}, Timestamp) AS told FROM otel_traces "
                f"WHERE {TIMES} AND TraceId != '' AND {own} != '' GROUP BY TraceId"
            )
            found.joins += f" LEFT JOIN ({told}) AS f_{number} ON c.TraceId = f_{number}.TraceId"
            found.keys.append(f"if(own_{number} != '', own_{number}, f_{number}.told)")
            found.own[name] = f"own_{number}"
        else:
            found.keys.append(f"own_{number}")
    return found


def _own(name: str, number: int, params: dict[str, Value]) -> str:
    """Return the expression of what the call itself says."""
    if name in _OWN:
        return _OWN[name]
    if name == "experiment":
        pairs = "CAST(SpanAttributes, 'Array(Tuple(String, String))')"
        arms = f"arrayFilter(p -> startsWith(p.1, '{_EXPERIMENT}'), {pairs})"
        text = f"concat(substring(p.1, {len(_EXPERIMENT) + 1}), '=', p.2)"
        return f"arrayStringConcat(arraySort(arrayMap(p -> {text}, {arms})), ', ')"
    if name.startswith("experiment."):
        name = f"attr.{_EXPERIMENT}{name.partition('.')[2]}"
    try:
        expression, named = grouping(name)
    except QueryError as error:
        more = ", ".join((*TIMES_OF_DAY, "tenant", "experiment", "experiment.NAME"))
        raise QueryError(
            re.sub(
                r"wanted is one of .*?(?=, attr\.NAME)",
                f"wanted is one of {more}, {', '.join(groupable())}",
                str(error),
            )
        ) from None
    params |= {f"by_{number}": value for value in named.values()}
    return expression.replace("{by_name:", f"{{by_{number}:")
