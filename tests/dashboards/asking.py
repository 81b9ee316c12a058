"""Asks a board's SQL as Grafana's plugin for ClickHouse does: variables chosen, macros written out."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlobs.dashboards.preview.choices import Choice, interpolated
from mlobs.dashboards.preview.macros import conditional, expand
from mlobs.dashboards.preview.spans import Span

Json = dict[str, Any]


class RefusedError(Exception):
    """A statement is not answered."""


@dataclass
class Asker:
    """A ClickHouse and a database in it.

    Attributes:
        url: Of its HTTP interface.
        span: The range that is chosen.
        interval_s: Of graphs.
        database: Where tables are looked up.
        method: With which statements are sent: what a GET asks for only reads.
    """

    url: str
    span: Span
    interval_s: int = 60
    database: str = "mlobs"
    method: str = "GET"
    choices: dict[str, Choice] = field(default_factory=dict)

    def ask(self, statement: str) -> list[Json]:
        """Return the rows of an answer.

        Raises:
            RefusedError: With the sentence and the statement.
        """
        answered = self.send(statement)
        rows: list[Json] = json.loads(answered)["data"] if answered else []
        return rows

    def send(self, statement: str) -> bytes:
        """Return an answer as it came.

        Raises:
            RefusedError: With the sentence and the statement.
        """
        given = {"default_format": "JSON", "database": self.database}
        sent = given if self.method == "POST" else {**given, "query": statement}
        body = statement.encode() if self.method == "POST" else None
        request = urllib.request.Request(
            f"{self.url}?{urllib.parse.urlencode(sent)}", data=body, method=self.method
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                found: bytes = answer.read()
        except urllib.error.HTTPError as refused:
            raise RefusedError(f"{refused.read().decode()}\n{statement}") from refused
        return found

    def choose(self, variables: Sequence[Json], **typed: str) -> None:
        """Choose what each variable of a board has: all of what there is, or what is typed."""
        for variable in variables:
            name = variable["name"]
            if variable["type"] == "query":
                rows = self.ask(self.written(variable["query"]["rawSql"]))
                values = tuple(str(next(iter(row.values()))) for row in rows)
                self.choices[name] = Choice(name, values, many=variable["multi"], at_all=variable["multi"])
            elif variable["type"] == "textbox":
                self.choices[name] = Choice(name, (typed.get(name, variable["query"]),))

    def written(self, statement: str, *, strictly: bool = False) -> str:
        """Return a statement as the database gets it.

        Args:
            statement: As it stands in the board.
            strictly: As Grafana 10 writes a query parameter, which leaves five characters less.
        """
        if strictly:
            for name, choice in self.choices.items():
                parts = [f"var-{name}={urllib.parse.quote(value, safe='')}" for value in choice.values]
                statement = statement.replace(f"${{{name}:queryparam}}", "&".join(parts))
        free = {name for name, choice in self.choices.items() if choice.is_free}
        filled = interpolated(conditional(statement, free), self.choices, "sql")
        return expand(filled, self.span, self.interval_s)

    def only(self, **chosen: str | tuple[str, ...]) -> "Asker":
        """Return an asker with some values chosen of some variables."""
        fewer: Mapping[str, Choice] = {
            name: Choice(name, (value,) if isinstance(value, str) else value, many=self.choices[name].many)
            for name, value in chosen.items()
        }
        return Asker(
            self.url, self.span, self.interval_s, self.database, self.method, {**self.choices, **fewer}
        )


def panels(rows: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """Yield title and statement of every panel of a board."""
    for row in rows:
        for panel in row.panels:
            for target in panel["targets"]:
                yield panel["title"], target["rawSql"]
