"""Decides whether a user's SQL is run: one statement, that reads our tables and does nothing else.

What the engine's lexer and parser say of the statement is judged here; neither runs it. `tokens_problem`
comes first, because a parser that is given two statements explains the first and runs the second. Both
judge by what is allowed, not by what is known to be bad, but for functions, of which there are a thousand
(`reaching` names those that are refused).
"""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise

from mlobs.server.ask.reaching import FUNCTIONS, reaches

STATEMENT_CHARACTERS_MAX = 100_000
BEGINNINGS = ("SELECT", "WITH", "FROM", "EXPLAIN", "DESCRIBE", "DESC", "SHOW", "EXISTS")
TOKENIZE = (
    "SELECT t.type AS kind, substring({statement:String}, t.begin + 1, t.end - t.begin) AS text "
    "FROM (SELECT arrayJoin(tokenizeQuery({statement:String})) AS t) "
    "WHERE kind NOT IN ('Whitespace', 'Comment')"
)
EXPLAIN = "EXPLAIN AST "
DATABASE = "mlobs"
SYSTEM_TABLES = frozenset({"system.one", "system.columns", "system.functions", "system.numbers"})
TABLE_FUNCTIONS = frozenset({"numbers", "numbers_mt", "zeros", "values", "generateseries", "generate_series"})
NODES = frozenset({
    "ArrayJoin", "Asterisk", "ColumnsExceptTransformer", "ColumnsListMatcher", "ColumnsRegexpMatcher",
    "ColumnsReplaceTransformer", "ColumnsReplaceTransformer::Replacement",
    "ColumnsTransformerList", "DescribeQuery", "Explain", "ExistsTableQuery", "ExpressionList",
    "Function", "Identifier", "InterpolateElement", "Literal", "OrderByElement", "QualifiedAsterisk",
    "QualifiedColumnsListMatcher", "QualifiedColumnsRegexpMatcher", "SampleRatio",
    "SelectIntersectExceptQuery", "SelectQuery", "SelectWithUnionQuery", "ShowColumns",
    "ShowCreateTableQuery", "ShowTables", "Subquery", "TableExpression", "TableIdentifier", "TableJoin",
    "TablesInSelectQuery", "TablesInSelectQueryElement", "WindowDefinition", "WithElement",
})  # fmt: skip
# Nodes under which the engine prints nothing of what stands there, so that it cannot be judged.
HIDDEN = {
    "ColumnsApplyTransformer": "APPLY came, which cannot be judged. Write the function around each column.",
    "WindowListElement": "WINDOW came, which cannot be judged. Write each window in the brackets of OVER.",
}
# What a node may have below it, where anything else is INTO OUTFILE, FORMAT or SETTINGS.
BELOW = {
    "SelectWithUnionQuery": {"ExpressionList"},
    "DescribeQuery": {"TableExpression"},
    "Explain": {"SelectWithUnionQuery"},
    "ShowTables": {"Identifier"},
    "ShowColumns": {"Identifier"},
    "ShowCreateTableQuery": {"Identifier"},
    "ExistsTableQuery": {"Identifier"},
}
MEMBER = frozenset(
    before + name + after
    for before in ("", "global")
    for name in ("in", "notin", "nullin", "notnullin")
    for after in ("", "ignoreset")
)
_NODE = re.compile(r"( *)([A-Za-z:]+)(?: (.*?))??(?: \(alias .*\))?(?: \(children [0-9]+\))?", re.DOTALL)
_ONLY = "Only reading is done here."


def tokens_problem(tokens: Sequence[tuple[str, str]]) -> str:
    """Return what is wrong with the tokens of a statement, empty if nothing is.

    Args:
        tokens: Kind and text of each, as the engine's lexer has them, without spaces and comments.
    """
    if not tokens:
        return "There is no statement."
    for kind, text in tokens:
        if kind.startswith("Error"):
            return f"The statement cannot be read near {text[:40]!r}."
        if kind == "Semicolon":
            return "A semicolon came; send one statement, without a semicolon."
        if kind == "QuotedIdentifier" and not text.isprintable():
            return f"The name {text[:40]!r} has characters that cannot be shown."
    words = [text.upper() if kind == "BareWord" else "" for kind, text in tokens]
    first = next((word for word, (_, text) in zip(words, tokens, strict=True) if text != "("), "")
    if first not in BEGINNINGS:
        came = tokens[0][1][:40]
        return f"The statement begins with {came!r}. {_ONLY} Begin with one of {', '.join(BEGINNINGS)}."
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "INTO" and following == "OUTFILE":
            return f"INTO OUTFILE would write a file. {_ONLY} Save the answer where you are."
    if first == "SHOW" and not {"WHERE", "LIMIT"}.isdisjoint(words):
        return "SHOW with WHERE or LIMIT came, which cannot be judged. Say what to show with LIKE."
    # The tree is what judges; this holds where a tree leaves something out.
    for (kind, text), (following, _) in pairwise(tokens):
        if following == "OpeningRoundBracket" and kind in {"BareWord", "QuotedIdentifier"}:
            name = text.strip('`"')
            if name.lower() in FUNCTIONS or "\\" in text:
                return f"The function {name[:40]!r} reaches beyond the tables. {_ONLY}"
    if len(words) > 1 and words[-2] == "FORMAT":
        return "The statement ends in FORMAT; say the format beside the statement instead."
    return ""


def tree_problem(
    lines: Sequence[str],
    tables: AbstractSet[str] = SYSTEM_TABLES,
    databases: Sequence[str] = (DATABASE,),
) -> str:
    """Return what is wrong with a statement, empty if nothing is.

    Args:
        lines: Its syntax tree, as EXPLAIN AST prints it.
        tables: Which tables of the engine itself may be asked.
        databases: Ours, all of whose tables may be.
    """
    above: list[tuple[str, str]] = []
    seen: list[int] = []  # How many nodes there were so far, below each of `above`.
    for line in lines:
        if not line.strip():
            continue
        found = _NODE.fullmatch(line)
        if found is None:
            return f"The engine reads something here that is not known to be harmless: {line.strip()[:60]!r}."
        depth, node, name = len(found[1]), found[2], found[3] or ""
        del above[depth:], seen[depth:]
        parent = above[-1][0] if above else ""
        # IN takes the name of a table where there could be a column.
        caller = above[-2][1].lower() if above[-2:-1] else ""
        asked = node == "Identifier" and seen[-1:] == [1] and caller in MEMBER
        # A function for the elements of an array can be given by its name alone.
        given = node == "Identifier" and seen[-1:] == [0] and caller.startswith("array")
        if seen:
            seen[-1] += 1
        above.append((node, name))
        seen.append(0)
        if wrong := _node_problem(node, name, parent):
            return wrong
        if given and reaches(name.lower()):
            return f"The function {name[:40]!r} reaches beyond the tables. {_ONLY}"
        dotted = "." in name and (node == "TableIdentifier" or asked)
        engine = node == "Identifier" and name.lower().partition(".")[0] in {"system", "information_schema"}
        if (dotted or engine) and name.partition(".")[0] not in databases and name not in tables:
            return _table_problem(name, tables, databases)
    return "" if above else "There is no statement."


def _node_problem(node: str, name: str, parent: str) -> str:
    if node == "Set":
        return "SETTINGS came; limits are set beside the statement, and others are not changed."
    if node in HIDDEN:
        return HIDDEN[node]
    if node not in NODES:
        return f"{node} came. {_ONLY} Begin with one of {', '.join(BEGINNINGS)}."
    if node not in BELOW.get(parent, {node}):
        return f"INTO OUTFILE or FORMAT came. {_ONLY} Say the format beside the statement."
    if node == "Function":
        lower = name.lower()
        if parent == "TableExpression" and lower not in TABLE_FUNCTIONS:
            return f"The table function {name[:40]!r} reaches beyond the tables. {_ONLY}"
        if reaches(lower):
            return f"The function {name[:40]!r} reaches beyond the tables. {_ONLY}"
    return ""


def _table_problem(name: str, tables: AbstractSet[str], databases: Sequence[str]) -> str:
    ours, others = " and ".join(map(repr, databases)), ", ".join(sorted(tables))
    return f"The table {name[:60]!r} is not among those that can be asked: those of {ours}, and {others}."
