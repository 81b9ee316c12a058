"""Rules about one SQL statement.

Every ClickHouse parses its own SQL and nothing else does, so this looks only for what all statements of
dashboards have: one question, strings that end, brackets that close; and for choices that break out.
"""

import re
from collections.abc import Iterator, Sequence

from mlobs.dashboards.lint.brackets import closed, without_strings
from mlobs.dashboards.lint.findings import Problem

STRING = re.compile(r"""'(?:\\.|''|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`""", re.DOTALL)
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
QUESTIONS = ("select", "with", "(", "show", "describe", "explain", "$")
# Formats that leave no sign a string could end with.
SAFE = frozenset({"queryparam", "percentencode"})
SINGLE_QUOTES = re.compile(r"\${(\w+):singlequote}")
VARIABLE = re.compile(r"\${(\w+)(?::(\w+))?}|\$(\w+)|\[\[(\w+)\]\]")


def problems(statement: str, variables: Sequence[str]) -> Iterator[Problem]:
    """Yield what is wrong with a statement."""
    plain = COMMENT.sub(" ", without_strings(statement, STRING)).strip()
    if not closed(plain):
        yield "target-sql", "is not SQL: a string or a bracket does not end"
    elif not plain.lower().startswith(QUESTIONS):
        yield "target-sql", "asks nothing: a statement begins with SELECT or WITH"
    elif ";" in plain.rstrip("; \n"):
        yield "target-sql", "has more than one statement; a panel asks one"
    for name in dict.fromkeys(_breaking_out(statement, frozenset(variables))):
        yield (
            "target-sql-quoted",
            f"lets a value of {name} end its string; decode '${{{name}:percentencode}}' in the statement",
        )


def _breaking_out(statement: str, variables: frozenset[str]) -> Iterator[str]:
    # Grafana's own format of this name leaves a backslash as it is, which then hides the quote after it.
    yield from (name for name in SINGLE_QUOTES.findall(statement) if name in variables)
    for text in STRING.findall(statement):
        for braced, form, bare, old in VARIABLE.findall(text):
            name = braced or bare or old
            if text.startswith("'") and name in variables and form not in SAFE:
                yield name
