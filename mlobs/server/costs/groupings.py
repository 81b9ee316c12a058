"""What costs can be divided by, as SQL over `calls`.

Who a call was made for is often said by another span of its trace, so session, conversation, user and tenant
are looked for there where the call itself does not say. The agent of a call is the one that is its parent,
else the one that began last, in its trace, of those running when the call began: the nearest above it, unless
agents run side by side and the call has another span between itself and its agent.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from mlobs.errors import QueryError
from mlobs.semconv import attributes as a
from mlobs.server.ask.compiling import TIMES, Value
from mlobs.server.ask.keys import groupable, grouping
from mlobs.server.costs.summed import SERVICE_VERSION, fits

TIMES_OF_DAY = {"hour": "%Y-%m-%dT%H:00:00Z", "day": "%Y-%m-%d", "month": "%Y-%m"}
AGENTS_MAX = 64  # of one trace, beside those that are the parent of a call
_EXPERIMENT = f"{a.EXPERIMENT.name}."
_OF_TRACE = ("session", "conversation", "user", "tenant")
_OWN = {"tenant": "toString(Tenant)"}
_AGENT = "toString(AgentName)"
_AT = "toUnixTimestamp64Nano(Timestamp)"
_IS_AGENT = f"{TIMES} AND Operation = 'invoke_agent' AND AgentName != ''"
_PARENTS = f"""SELECT cityHash64(TraceId, SpanId) AS above, any({_AGENT}) AS told
FROM otel_traces WHERE {_IS_AGENT} GROUP BY above"""
_AGENTS = f"""SELECT TraceId, groupArray({AGENTS_MAX})(({_AT}, {_AT} + toInt64(Duration), {_AGENT})) AS agents
FROM otel_traces WHERE {_IS_AGENT} GROUP BY TraceId"""
_RUNNING = f"arraySort(g -> -g.1, arrayFilter(g -> g.1 <= {_AT} AND g.2 >= {_AT}, agents))[1].3"


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
        own: The names of what calls say themselves, of which those of their trace may have to be asked.
    """

    names: tuple[str, ...] = ()
    extra: str = ""
    joins: str = ""
    keys: list[str] = field(default_factory=list)
    params: dict[str, Value] = field(default_factory=dict)
    summed: str | None = ""
    own: list[str] = field(default_factory=list)

    @property
    def selected(self) -> tuple[str, ...]:
        """The names of what is selected more."""
        return tuple(f"own_{number}" for number, name in enumerate(self.names) if name not in TIMES_OF_DAY)

    @property
    def own_keys(self) -> list[str]:
        """The expression of each group where every call says itself what it was made for."""
        return [
            key if name in TIMES_OF_DAY else f"own_{number}"
            for number, (name, key) in enumerate(zip(self.names, self.keys, strict=True))
        ]

    @property
    def by_time(self) -> bool:
        """Whether the first group is one of time, so that rows are in its order."""
        return bool(self.names) and self.names[0] in TIMES_OF_DAY


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
        own = _own(name, number, found.params)
        found.extra += f", {own} AS own_{number}"
        of_sums = "ServiceVersion" if name == SERVICE_VERSION else own
        if found.summed is not None:
            found.summed += f", {of_sums} AS own_{number}"
        if name == "agent" or not fits(of_sums):
            found.summed = None
        if name == "agent":
            found.joins += (
                f" LEFT JOIN ({_PARENTS}) AS p ON cityHash64(c.TraceId, c.ParentSpanId) = p.above"
                f" LEFT JOIN ({_AGENTS}) AS f_{number} ON c.TraceId = f_{number}.TraceId"
            )
            own = f"own_{number}"
            found.keys.append(f"multiIf({own} != '', {own}, p.told != '', p.told, {_RUNNING})")
        elif name in _OF_TRACE:
            told = (
                f"SELECT TraceId, argMin({own}, Timestamp) AS told FROM otel_traces "
                f"WHERE {TIMES} AND {own} != '' GROUP BY TraceId"
            )
            found.joins += f" LEFT JOIN ({told}) AS f_{number} ON c.TraceId = f_{number}.TraceId"
            found.keys.append(f"if(own_{number} != '', own_{number}, f_{number}.told)")
            found.own.append(f"own_{number}")
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
