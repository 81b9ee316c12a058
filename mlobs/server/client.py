"""Asks a server, for programs and notebooks.

    from mlobs.server.client import Client

    client = Client()                                   # MLOBS_SERVER, MLOBS_TOKEN
    for trace in client.traces("tool:refund status:error", since="24h"):
        print(trace["trace_id"], trace["duration_ms"])
    client.sql("SELECT RequestModel, count() FROM otel_traces GROUP BY 1").to_pandas()

It needs `requests`, and pyarrow for `sql`. Nothing of the server is imported.
"""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import quote

import requests

from mlobs._extras import require
from mlobs.errors import QueryError, ServerError
from mlobs.settings import ClientSettings, load

PAGE = 500
Row = dict[str, Any]


class Client:
    """A server's answers.

    Args:
        url: The server's address; MLOBS_SERVER if None.
        token: One with the scope read; MLOBS_TOKEN if None.
        timeout_s: Seconds to wait for an answer.
    """

    def __init__(self, url: str | None = None, token: str | None = None, *, timeout_s: float = 60.0) -> None:
        settings = load(ClientSettings, server=url, token=token)
        self.url = settings.server
        self._timeout_s = timeout_s
        self._session = requests.Session()
        if secret := settings.token.get_secret_value():
            self._session.headers["Authorization"] = f"Bearer {secret}"

    def traces(self, filter: str = "", *, limit: int = 1_000, **range: str) -> list[Row]:  # noqa: A002
        """Return traces, the newest first unless `sort` says otherwise, page after page.

        Args:
            filter: As in `service:x status:error duration>5s "text"`.
            limit: Traces at most.
            **range: `since`, or `from_` and `to`: ISO 8601, or how long ago, such as 15m, 24h, 7d.
                `sort`: newest,
                slowest or dearest.

        Raises:
            QueryError: The server refuses the question.
            ServerError: No server answers.
        """
        return list(self._rows("/api/traces", "traces", filter, limit, range))

    def trace(self, trace_id: str) -> Row:
        """Return one trace with its spans.

        Raises:
            QueryError: There is no such trace.
            ServerError: No server answers.
        """
        found: Row = self.get(f"/api/traces/{quote(trace_id, safe='')}", {"limit": 50_000})
        return found

    def sessions(self, filter: str = "", *, limit: int = 1_000, **range: str) -> list[Row]:  # noqa: A002
        """Return sessions, the newest first; the arguments are those of `traces`.

        Raises:
            QueryError: The server refuses the question.
            ServerError: No server answers.
        """
        return list(self._rows("/api/sessions", "sessions", filter, limit, range))

    def aggregate(self, filter: str = "", *, by: str = "", **given: str) -> list[Row]:  # noqa: A002
        """Return counts, error ratios, quantiles, tokens and cost of spans, a row for each group.

        Args:
            filter: For the spans.
            by: Keys or attributes to group by, separated by commas.
            **given: A range, as of `traces`; `step` and `order` as in the API.

        Raises:
            QueryError: The server refuses the question.
            ServerError: No server answers.
        """
        rows: list[Row] = self.get("/api/aggregate", {"q": filter, "by": by, **_range(given)})["rows"]
        return rows

    def costs(
        self,
        filter: str = "",  # noqa: A002
        *,
        by: str = "",
        other_prices: str | None = None,
        **given: str | None,
    ) -> Row:
        """Return what model calls cost, as GET /api/cost shows it.

        Args:
            filter: For the calls.
            by: Keys or attributes to divide costs by, separated by commas.
            other_prices: The text of a price file, to price the calls with.
            **given: A range, as of `traces`; `prices`, `as_model` and `limit` as in the API.

        Raises:
            QueryError: The server refuses the question, or the prices.
            ServerError: No server answers.
        """
        said = {name: value for name, value in given.items() if value is not None}
        asked = {**({"q": filter} if filter else {}), **({"by": by} if by else {}), **_range(said)}
        if other_prices is None:
            found: Row = self.get("/api/cost", asked)
            return found
        headers = {"Content-Type": "application/json"}
        answer = self._send("POST", "/api/cost", params=asked, data=other_prices.encode(), headers=headers)
        repriced: Row = answer.json()
        return repriced

    def sql(self, query: str, *, rows_max: int = 100_000) -> Any:
        """Return the answer of one SQL statement as a pyarrow Table.

        Args:
            query: One statement that reads.
            rows_max: An answer with more rows is refused, never cut.

        Raises:
            QueryError: The server refuses the statement.
            ServerError: No server answers.
            MissingExtraError: pyarrow is not installed.
        """
        ipc = require("pyarrow.ipc", extra="drift", feature="Client.sql")
        return ipc.open_stream(self.answer(query, form="arrow", rows_max=rows_max)).read_all()

    def answer(self, query: str, *, form: str, rows_max: int = 100_000) -> bytes:
        """Return the answer of one SQL statement as bytes of json, jsonl, csv, arrow or parquet.

        Raises:
            QueryError: The server refuses the statement.
            ServerError: No server answers.
        """
        body = {"query": query, "format": form, "rows_max": rows_max}
        return self._send("POST", "/api/sql", json=body).content

    def get(self, path: str, query: Mapping[str, Any] | None = None, *, missing: str = "") -> Any:
        """Return what a route of the API answers.

        Args:
            path: As in GET /openapi.json.
            query: Parameters; those that are None are left out.
            missing: What to say where the server has no such thing; its own sentence if empty.

        Raises:
            QueryError: The server refuses the question.
            ServerError: No server answers.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        answer = self._send("GET", path, missing=missing, params=given)
        try:
            body = answer.json()
        except requests.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            raise self._stranger()
        return body

    def delete(self, *, trace: str | None = None, session: str | None = None, user: str | None = None) -> Row:
        """Delete what one trace, session or user left; return what went. Needs a token for admin.

        Raises:
            QueryError: None or several are given, or the server refuses.
            ServerError: No server answers.
        """
        given = {"trace": trace, "session": session, "user": user}
        asked = {name: value for name, value in given.items() if value is not None}
        if len(asked) != 1:
            raise QueryError(f"delete() takes one of {', '.join(given)}; {len(asked)} came.")
        report: Row = self._send("POST", "/api/delete", json=asked).json()
        return report

    def back_up(self, file: BinaryIO) -> int:
        """Write a backup of the whole store; return its size in bytes. Needs a token for admin.

        Raises:
            QueryError: The server refuses.
            ServerError: No server answers, or it stopped before the end.
        """
        size = 0
        with self._send("POST", "/api/backup", stream=True) as answer:
            try:
                for chunk in answer.iter_content(1 << 20):
                    size += file.write(chunk)
            except requests.RequestException as error:
                raise ServerError(f"The server at {self.url} stopped sending after {size} bytes.") from error
        return size

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rows(self, path: str, name: str, text: str, limit: int, given: Mapping[str, str]) -> Iterator[Row]:
        asked = {"q": text or None, **_range(given)}
        left, cursor = limit, None
        while left > 0:
            page = self.get(path, {**asked, "limit": min(left, PAGE), "cursor": cursor})
            yield from page[name]
            left -= len(page[name])
            cursor = page["next"]
            if cursor is None:
                return

    def _send(self, method: str, path: str, *, missing: str = "", **given: Any) -> requests.Response:
        try:
            answer = self._session.request(method, f"{self.url}{path}", timeout=self._timeout_s, **given)
        except requests.Timeout:
            raise ServerError(
                f"The server at {self.url} did not answer within {self._timeout_s:g} s. "
                f"Narrow the question, or look at its /readyz."
            ) from None
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            raise ServerError(
                f"No server answers at {self.url}. Start one with: mlobs up, or name another with --server."
            ) from None
        if answer.ok:
            return answer
        if missing and answer.status_code == 404:
            raise QueryError(missing)
        try:
            body = answer.json()
        except requests.JSONDecodeError:
            body = None
        if not isinstance(body, dict) or "error" not in body:
            raise self._stranger()
        # 5xx is the server's trouble, not the question's.
        raise (ServerError if answer.status_code >= 500 else QueryError)(str(body["error"]))

    def _stranger(self) -> ServerError:
        return ServerError(f"What answers at {self.url} is not an mlobs server. Name one with --server.")


def _range(given: Mapping[str, str]) -> dict[str, str]:
    """Return a range with the names of the API: `from` is a word of Python."""
    return {name.rstrip("_"): value for name, value in given.items()}
