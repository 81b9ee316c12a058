"""Asks a server, for programs and notebooks.

    from mlobs.server.client import Client

    client = Client()                                   # MLOBS_SERVER, MLOBS_TOKEN
    for trace in client.traces("tool:refund status:error", since="24h"):
        print(trace["trace_id"], trace["duration_ms"])
    client.sql("SELECT RequestModel, count() FROM otel_traces GROUP BY 1").to_pandas()

It needs `requests`, and pyarrow for `sql`. Nothing of the server is imported.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import quote

import requests

from mlobs._extras import require
from mlobs.errors import QueryError, ServerError, SettingError
from mlobs.server.unanswered import unanswered
from mlobs.settings import ClientSettings, load, variable

PAGE = 500
Row = dict[str, Any]
Names = str | Sequence[str]


class Client:
    """A server's answers.

    Args:
        url: The server's address; MLOBS_SERVER if None.
        token: One with the scope read; MLOBS_TOKEN if None.
        timeout_s: Seconds to wait for an answer.
        certificate: File of the certificates to trust; MLOBS_CERTIFICATE if None.

    Raises:
        SettingError: The address is none, the token cannot be sent, or that file cannot be read.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout_s: float = 60.0,
        certificate: Path | None = None,
    ) -> None:
        settings = load(ClientSettings, server=url, token=token, certificate=certificate)
        self.url = settings.server
        self._timeout_s = timeout_s
        self._verify: str | bool = trusted(settings)
        self._session = requests.Session()
        # Around it, a line end is of the file it was read from.
        if secret := settings.token.get_secret_value().strip():
            self._session.headers["Authorization"] = f"Bearer {_sendable(secret)}"

    def traces(self, filter: str = "", *, limit: int = 1_000, **range: str) -> list[Row]:  # noqa: A002
        """Return traces, the newest first unless `sort` says otherwise, page after page.

        Args:
            filter: As in `service:x status:error duration>5s "text"`.
            limit: Traces at most.
            **range: `since`, or `from_` and `to`: ISO 8601, or how long ago, such as 15m, 24h, 7d.
                `sort`: newest, slowest or dearest.

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

    def aggregate(self, filter: str = "", *, by: Names = "", **given: Names) -> list[Row]:  # noqa: A002
        """Return counts, error ratios, quantiles, tokens and cost of spans, a row for each group.

        Args:
            filter: For the spans.
            by: Keys or attributes to group by: a list, or text with commas.
            **given: A range, as of `traces`; `step` and `order` as in the API.

        Raises:
            QueryError: The server refuses the question.
            ServerError: No server answers.
        """
        rows: list[Row] = self.get("/api/aggregate", {"q": filter, "by": _joined(by), **_range(given)})[
            "rows"
        ]
        return rows

    def costs(
        self,
        filter: str = "",  # noqa: A002
        *,
        by: Names = "",
        other_prices: str | None = None,
        **given: str | None,
    ) -> Row:
        """Return what model calls cost, as GET /api/cost shows it.

        Args:
            filter: For the calls.
            by: Keys or attributes to divide costs by: a list, or text with commas.
            other_prices: The text of a price file, to price the calls with.
            **given: A range, as of `traces`; `prices`, `as_model` and `limit` as in the API.

        Raises:
            QueryError: The server refuses the question, or the prices.
            ServerError: No server answers.
        """
        said = {name: value for name, value in given.items() if value is not None}
        asked = {**({"q": filter} if filter else {}), **({"by": _joined(by)} if by else {}), **_range(said)}
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
        given = {
            name: ",".join(map(str, value)) if isinstance(value, list | tuple) else value
            for name, value in (query or {}).items()
            if value is not None
        }
        answer = self._send("GET", path, missing=missing, params=given)
        try:
            body = answer.json()
        except requests.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            raise self._stranger()
        return body

    def post(self, path: str, body: Mapping[str, Any], *, missing: str = "") -> Row:
        """Return what a route of the API answers to JSON.

        Raises:
            QueryError: The server refuses.
            ServerError: No server answers.
        """
        answer: Row = self._send("POST", path, missing=missing, json=dict(body)).json()
        return answer

    def page(self, path: str, name: str, query: Mapping[str, Any] | None = None) -> Row:
        """Return a page of a list: its rows under `name`, and under `next` the cursor of the page after.

        Raises:
            QueryError: The server refuses the question.
            ServerError: No server answers, or one that is too old for this client.
        """
        found: Row = self.get(path, query)
        if name not in found or "next" not in found:
            raise ServerError(
                f"The server at {self.url} is of an older release: its lists have no pages. "
                "Upgrade it, or ask with the release that it has."
            )
        return found

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
        # It is answered when the rows are gone from the disk, and that takes as long as there are many.
        waits = (self._timeout_s, None)
        report: Row = self._send("POST", "/api/delete", json=asked, timeout=waits).json()
        return report

    def back_up(self, file: BinaryIO) -> int:
        """Write a backup of the whole store; return its size in bytes. Needs a token for admin.

        Raises:
            QueryError: The server refuses.
            ServerError: No server answers, or it stopped before the end.
        """
        size = 0
        # A copy begins to arrive when it has been made, and that takes as long as the store is large.
        waits = (self._timeout_s, None)
        with self._send("POST", "/api/backup", stream=True, timeout=waits) as answer:
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
            page = self.page(path, name, {**asked, "limit": min(left, PAGE), "cursor": cursor})
            yield from page[name]
            left -= len(page[name])
            cursor = page["next"]
            if cursor is None:
                return

    def _send(self, method: str, path: str, *, missing: str = "", **given: Any) -> requests.Response:
        given = {"timeout": self._timeout_s, "verify": self._verify, **given}
        try:
            answer = self._session.request(method, f"{self.url}{path}", **given)
        except requests.Timeout:
            raise ServerError(
                f"The server at {self.url} did not answer within {self._timeout_s:g} s. "
                f"Narrow the question, or look at its /readyz."
            ) from None
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            nobody = (
                f"No server answers at {self.url}. Start one with: mlobs up, or name another with --server."
            )
            trust = variable(ClientSettings, "certificate")
            raise ServerError(unanswered(self.url, error, nobody=nobody, trust=trust)) from None
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
        if answer.status_code == 401:
            sent = "Authorization" in self._session.headers
            came = "does not know the token of" if sent else "wants a token: set"
            raise QueryError(f"The server at {self.url} {came} {variable(ClientSettings, 'token')}.")
        # 5xx is the server's trouble, not the question's.
        raise (ServerError if answer.status_code >= 500 else QueryError)(str(body["error"]))

    def _stranger(self) -> ServerError:
        return ServerError(f"What answers at {self.url} is not an mlobs server. Name one with --server.")


def _sendable(token: str) -> str:
    """Return a token that a header can hold.

    Raises:
        SettingError: It has a character that none can; the sentence does not have the token in it.
    """
    for place, character in enumerate(token, 1):
        if not " " <= character <= "~":
            raise SettingError(
                f"{variable(ClientSettings, 'token')} cannot be sent: of its {len(token)} characters number "
                f"{place} is a line end or another that no header can have. Set it as it stands in the "
                f"server's file of tokens."
            )
    return token


def trusted(settings: ClientSettings) -> str | bool:
    """Return what `requests` is to trust: a file of certificates, or what it trusts by itself.

    Raises:
        SettingError: The file cannot be read, and the server speaks TLS.
    """
    file = settings.certificate
    if file is None or not settings.server.startswith("https:"):
        return True
    try:
        file.open("rb").close()
    except OSError as error:
        raise SettingError(
            f"{variable(ClientSettings, 'certificate')}={str(file)!r} cannot be read: {error.strerror}."
        ) from None
    return str(file)


def _range(given: Mapping[str, Names]) -> dict[str, str]:
    """Return a range with the names of the API: `from` is a word of Python."""
    return {name.rstrip("_"): _joined(value) for name, value in given.items()}


def _joined(names: Names) -> str:
    """Return several names as the API takes them."""
    return names if isinstance(names, str) else ",".join(names)
