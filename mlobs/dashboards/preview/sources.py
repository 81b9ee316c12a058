"""Asks Prometheus and ClickHouse over HTTP. Edge: no other address is ever reached."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import requests

from mlobs.dashboards.preview.addresses import address
from mlobs.dashboards.preview.gathering import SqlRows
from mlobs.dashboards.preview.spans import Span, duration_s, written
from mlobs.errors import QueryError, ServerError

SECONDS_MAX = 60.0
ROWS_MAX = 10_000
SAID_MAX = 400
# Prometheus says how often it scrapes; what stands in for it (Mimir, Thanos) may not.
SCRAPE_SECONDS = 30.0


class Prometheus:
    """A Prometheus, or what speaks its HTTP API.

    Args:
        url: Its address, with the path it is served under if there is one.

    Raises:
        ServerError: No Prometheus answers there.
    """

    def __init__(self, url: str) -> None:
        self._address = address(url)
        self.url = self._address.shown
        self._session = requests.Session()
        try:
            self._ask("query", query="1")
        except QueryError as error:
            raise ServerError(f"{error} Check the address given with --prometheus.") from None

    def scrape_s(self) -> float:
        """Return how many seconds lie between two scrapes."""
        try:
            targets = self._ask("targets", state="active")["activeTargets"]
        except (QueryError, KeyError, TypeError):
            return SCRAPE_SECONDS
        found = [duration_s(str(target.get("scrapeInterval", ""))) for target in targets]
        return max(found, default=0.0) or SCRAPE_SECONDS

    def range(self, expr: str, span: Span, step_s: float) -> Sequence[Mapping[str, Any]]:
        """Return the series of a query over time.

        Raises:
            QueryError: It is refused.
            ServerError: Nobody answers.
        """
        begin = span.begin_s - span.begin_s % step_s
        data = self._ask("query_range", query=expr, start=begin, end=span.end_s, step=written(step_s))
        if data.get("resultType") != "matrix":
            raise QueryError("The answer is no series over time. Ask this query as an instant one.")
        return list(data["result"])

    def instant(self, expr: str, at_s: float) -> Sequence[Mapping[str, Any]]:
        """Return the series of a query at one moment.

        Raises:
            QueryError: It is refused.
            ServerError: Nobody answers.
        """
        data = self._ask("query", query=expr, time=at_s)
        if data.get("resultType") == "scalar":
            return [{"metric": {}, "value": data["result"]}]
        if data.get("resultType") != "vector":
            raise QueryError("The answer is no list of series. Mend the panel's query.")
        return list(data["result"])

    def label_values(self, label: str, selector: str, span: Span) -> Sequence[str]:
        """Return the values of a label, of all series or of those that are selected.

        Raises:
            QueryError: The selector is refused.
            ServerError: Nobody answers.
        """
        given: dict[str, Any] = {"start": span.begin_s, "end": span.end_s}
        if selector:
            given["match[]"] = selector
        return [str(value) for value in self._ask(f"label/{label}/values", **given)]

    def exemplars(self, expr: str, span: Span) -> Sequence[Mapping[str, Any]]:
        """Return the exemplars of the series a query reads.

        Raises:
            QueryError: It is refused.
            ServerError: Nobody answers.
        """
        return list(self._ask("query_exemplars", query=expr, start=span.begin_s, end=span.end_s))

    def _ask(self, path: str, **given: Any) -> Any:
        try:
            answer = self._session.get(
                f"{self._address.url}/api/v1/{path}", params=given, timeout=SECONDS_MAX, allow_redirects=False
            )
        except requests.RequestException as error:
            raise ServerError(
                f"No Prometheus answers at {self.url} ({_reason(error)}). "
                f"Start one that scrapes the server, or name another with --prometheus URL."
            ) from None
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or body.get("status") not in {"success", "error"}:
            raise ServerError(
                f"What answers at {self.url} is no Prometheus: status {answer.status_code} and no JSON "
                f"of its API. Check the address given with --prometheus, its path too."
            )
        if body["status"] != "success":
            raise QueryError(f"Prometheus refused the query: {str(body.get('error', ''))[:SAID_MAX]}.")
        return body["data"]


class ClickHouse:
    """What speaks ClickHouse's HTTP interface: an mlobs server, or a ClickHouse.

    Args:
        url: A mlobs server's address will do; its /clickhouse/ is found. `?database=` may follow it.
        token: The password, or the server's token, if not empty.

    Raises:
        ServerError: Nobody answers there.
    """

    def __init__(self, url: str, token: str = "") -> None:
        given = address(url)
        self.url = given.shown
        self._session = _session(token)
        found = [path for path in ("/clickhouse", "") if self._pings(f"{given.url}{path}/ping")]
        if not found:
            raise ServerError(
                f"What answers at {self.url} does not speak ClickHouse's HTTP interface. "
                f"Give an mlobs server's address, or ClickHouse's with the port of HTTP (8123)."
            )
        self._address = f"{given.url}{found[0]}/"
        # Who wrote a dashboard says what is asked: nothing but to read is allowed.
        self._options = {**given.options, "default_format": "JSONCompact", "readonly": "1"}

    def rows(self, sql: str) -> SqlRows:
        """Return the columns, with their types, and the rows of a statement.

        Raises:
            QueryError: It is refused.
            ServerError: Nobody answers.
        """
        try:
            answer = self._session.post(
                self._address,
                params=self._options,
                data=sql.encode(),
                timeout=SECONDS_MAX,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise self._nobody(error) from None
        if answer.status_code != 200:
            raise QueryError(f"ClickHouse refused the query: {' '.join(answer.text.split())[:SAID_MAX]}")
        try:
            body = json.loads(answer.text)
            columns = [(str(column["name"]), str(column["type"])) for column in body["meta"]]
        except (ValueError, KeyError, TypeError):
            raise QueryError("ClickHouse answered with no rows. Is the panel's SQL a SELECT?") from None
        return columns, body["data"][:ROWS_MAX]

    def _pings(self, address: str) -> bool:
        try:
            answer = self._session.get(address, timeout=SECONDS_MAX, allow_redirects=False)
        except requests.RequestException as error:
            raise self._nobody(error) from None
        return answer.ok and answer.text.strip() == "Ok."

    def _nobody(self, error: requests.RequestException) -> ServerError:
        return ServerError(
            f"No ClickHouse answers at {self.url} ({_reason(error)}). "
            f"Start the server with: mlobs up, or name another with --clickhouse URL."
        )


def _session(token: str) -> requests.Session:
    session = requests.Session()
    if token:
        session.headers["Authorization"] = f"Bearer {token}"
    return session


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return f"no answer within {SECONDS_MAX:.0f} s"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__
