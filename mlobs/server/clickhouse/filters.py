"""Filters of tables that come beside a statement, as Grafana's ad hoc filters do.

Its data source leaves the statement as it is and sets `additional_table_filters = {'otel_traces' : '...'}`,
behind the statement or in the address. The engine adds the condition to every reading of that table, so it
may say what the WHERE of a statement may say, and is checked as that.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from mlobs.server.ask.guard import (
    EXPLAIN,
    STATEMENT_CHARACTERS_MAX,
    TOKENIZE,
    tokens_problem,
    tree_problem,
)
from mlobs.server.clickhouse.refusal import ACCESS_DENIED, BAD_ARGUMENTS, TOO_LARGE, ClickHouseError
from mlobs.server.engine import literal
from mlobs.server.store import Store

SETTING = "additional_table_filters"
FILTERS_MAX = 8  # Grafana sends one; each is a question to the parser.
NONE = "{}"  # As ClickHouse has it where no filter is set.
ENTRY = ("StringLiteral", "Colon", "StringLiteral")
_SHAPE = (
    f"{SETTING} came, whose value cannot be read. Write {{'otel_traces' : 'ServiceName = \\'shop\\''}}, "
    f"with a table and a condition for it."
)


def pairs(tokens: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the literals of tables and conditions, quoted as they came.

    Args:
        tokens: Kind and text of each token of the setting's value.

    Raises:
        ClickHouseError: It is no map of texts.

    >>> pairs([("OpeningCurlyBrace", "{"), ("StringLiteral", "'t'"), ("Colon", ":"),
    ...        ("StringLiteral", "'a = 1'"), ("ClosingCurlyBrace", "}")])
    [("'t'", "'a = 1'")]
    """
    kinds, texts = [kind for kind, _ in tokens], [text for _, text in tokens]
    if kinds in ([], ["OpeningCurlyBrace", "ClosingCurlyBrace"]):
        return []
    if kinds[:1] != ["OpeningCurlyBrace"] or kinds[-1:] != ["ClosingCurlyBrace"]:
        raise ClickHouseError(BAD_ARGUMENTS, _SHAPE)
    found = []
    for at in range(1, len(kinds), 4):
        last = at + 3 == len(kinds) - 1
        if tuple(kinds[at : at + 3]) != ENTRY or not (last or kinds[at + 3 : at + 4] == ["Comma"]):
            raise ClickHouseError(BAD_ARGUMENTS, _SHAPE)
        found.append((texts[at], texts[at + 2]))
    return found


def checked(written: str, store: Store, tables: AbstractSet[str]) -> str:
    """Return the setting's value, if every condition is one that a statement may have.

    Args:
        written: The value as it came.
        store: Lexes and parses, and reads literals.
        tables: Which tables of the engine itself may be asked.

    Raises:
        ClickHouseError: One may not be run, or is of a table that nobody may ask.
        QueryError: The engine cannot read one.
    """

    def tokens(statement: str) -> list[tuple[str, str]]:
        return [(row["kind"], row["text"]) for row in store.query(TOKENIZE, {"statement": statement})]

    if len(written) > STATEMENT_CHARACTERS_MAX:
        raise ClickHouseError(TOO_LARGE, f"{SETTING} has {len(written):,} characters; take fewer values.")
    literals = pairs(tokens(written))
    if not literals:
        return NONE
    if len(literals) > FILTERS_MAX:
        raise ClickHouseError(TOO_LARGE, f"{SETTING} has {len(literals)} tables; {FILTERS_MAX} are taken.")
    read = ", ".join(
        f"tuple({table}, {condition}) AS p{at}" for at, (table, condition) in enumerate(literals)
    )
    found: dict[str, str] = {}
    for table, condition in store.query(f"SELECT {read}")[0].values():
        if (name := table.removeprefix(f"{store.databases[0]}.")) in found:
            raise ClickHouseError(
                BAD_ARGUMENTS,
                f"Two filters of the table {name[:60]!r} came; one was expected. Join them with AND.",
            )
        if "." in table and table.partition(".")[0] not in store.databases and table not in tables:
            ours = " and ".join(store.databases)
            raise ClickHouseError(
                ACCESS_DENIED, f"A filter of {table[:60]!r} came; of {ours} there can be one."
            )
        statement = f"SELECT 1 WHERE {condition}"
        if not (wrong := tokens_problem(tokens(statement))):
            tree = [
                line for row in store.query(f"{EXPLAIN}{statement}") for line in row["explain"].split("\n")
            ]
            wrong = tree_problem(tree, tables, store.databases)
        if wrong:
            raise ClickHouseError(ACCESS_DENIED, f"In the filter of the table {table[:60]!r}: {wrong}")
        found[name] = f"{literal(table)} : {literal(condition)}"
    return "{" + ", ".join(found.values()) + "}"
