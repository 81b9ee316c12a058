"""TraceQL of the board that asks Tempo, built only from the vocabulary's rows.

Every function returns a query as text. Chosen values stand between backticks, where TraceQL has no escapes of
its own, so that the escapes of the pattern arrive. TraceQL cannot decode what is encoded, as SQL can: a value
with a backtick in it breaks its query, or widens it to other traces of those its reader may see anyway.
"""

from collections.abc import Mapping, Sequence

from mlobs.dashboards.queries import SERIES_MAX, VARIABLES
from mlobs.semconv import attributes as a
from mlobs.semconv.rows import Attribute

RESOURCE = (a.SERVICE_NAME, a.SERVICE_VERSION, a.SERVICE_INSTANCE_ID, a.DEPLOYMENT_ENVIRONMENT)
DURATION, FAILED = "span:duration", "span:status = error"
# The attribute that each variable of the board chooses by.
CHOICES: Mapping[str, Attribute] = {name: labels[0] for name, labels in VARIABLES.items()}
# Calls and runs may come without; a prediction without its model is none.
MAY_LACK = frozenset({"provider", "model", "agent"})
NEWEST = "with (most_recent=true)"


def scoped(row: Attribute) -> str:
    """Return an attribute as TraceQL names it.

    >>> scoped(a.SERVICE_NAME), scoped(a.TOOL_NAME)
    ('resource.service.name', 'span.gen_ai.tool.name')
    """
    return f"{'resource' if row in RESOURCE else 'span'}.{row.name}"


def chosen(variable: str) -> str:
    """Return the condition that spans are among what a variable of the board has.

    >>> chosen("model")
    '(span.gen_ai.request.model =~ `${model:regex}`)'
    """
    return f"({scoped(CHOICES[variable])} =~ `${{{variable}:regex}}`)"


def everything(variable: str) -> str:
    """Return what a variable is at All, which goes into the condition above as it stands.

    A pattern finds no span without the attribute, and a call may have no model: what every span has follows
    as another way to meet the condition. Comparing with nil would be plainer, but few releases of Tempo can.

    >>> everything("service"), everything("agent")
    ('.*', '.*` || span:duration >= 0s || span.gen_ai.agent.name =~ `.*')
    """
    if variable not in MAY_LACK:
        return ".*"
    return f".*` || {DURATION} >= 0s || {scoped(CHOICES[variable])} =~ `.*"


SERVICE, AGENT = chosen("service"), chosen("agent")
MODEL = (chosen("provider"), chosen("model"))


def spans(*conditions: str) -> str:
    """Return the selector of spans that meet all conditions, of the chosen services.

    >>> spans(FAILED)
    '{ (resource.service.name =~ `${service:regex}`) && span:status = error }'
    """
    return f"{{ {' && '.join([SERVICE, *conditions])} }}"


def of_operations(operations: Sequence[str]) -> str:
    """Return the condition for spans of these operations.

    >>> of_operations(["chat", "embeddings"])
    'span.gen_ai.operation.name =~ `chat|embeddings`'
    """
    return f"{scoped(a.OPERATION_NAME)} =~ `{'|'.join(operations)}`"


def rate(selector: str, *by: Attribute) -> str:
    """Return how many of the spans there are in a second; with `by` the largest series."""
    return f"{selector} | rate(){_by(by)}{_largest(by)}"


def quantiles(selector: str, levels: Sequence[float], *by: Attribute, value: str = DURATION) -> str:
    """Return quantiles of a number of the spans."""
    wanted = ", ".join(f"{level:g}" for level in levels)
    return f"{selector} | quantile_over_time({value}, {wanted}){_by(by)}"


def total(selector: str, value: Attribute, *by: Attribute) -> str:
    """Return the sum of an attribute of the spans in each step; with `by` the largest series."""
    return f"{selector} | sum_over_time({scoped(value)}){_by(by)}{_largest(by)}"


def shown(selector: str, *rows: Attribute) -> str:
    """Return the newest spans with these attributes as columns."""
    return f"{selector} | select({', '.join(map(scoped, rows))}) {NEWEST}"


def _by(rows: Sequence[Attribute]) -> str:
    return f" by ({', '.join(map(scoped, rows))})" if rows else ""


def _largest(rows: Sequence[Attribute]) -> str:
    return f" | topk({SERIES_MAX})" if rows else ""
