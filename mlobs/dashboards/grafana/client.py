"""Talks to one Grafana; whatever goes wrong becomes one sentence with a remedy.

The library is imported here alone, and when it is needed: it puts another urllib3 into the
process.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import UnionType
from typing import Any

from mlobs._extras import require
from mlobs._listening import no_tls
from mlobs.dashboards.grafana.address import check_token, read_address
from mlobs.dashboards.grafana.refusals import refusal
from mlobs.errors import ServerError, SettingError

TIMEOUT_S = 10.0
FEATURE = "Pushing to Grafana"
CERTIFICATES = "REQUESTS_CA_BUNDLE"  # The variable that the library reads.


class RefusedError(ServerError):
    """Grafana answered, and with no success."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class Grafana:
    """One Grafana, asked with a token.

    Args:
        url: Where people open it, with its path if it has one.
        token: Of a service account.
        timeout_s: For each request.

    Raises:
        SettingError: The address or the token cannot be used.
        MissingExtraError: The library is not installed.
    """

    def __init__(self, url: str, token: str, *, timeout_s: float = TIMEOUT_S) -> None:
        address = read_address(url, option="--url", variable="GRAFANA_URL")
        if not 0 < timeout_s <= 600:
            raise SettingError(
                f"--timeout is {timeout_s:g}; more than 0 and at most 600 seconds were expected."
            )
        auth = require("grafana_client.client", extra="grafana", feature=FEATURE).TokenAuth(
            check_token(token)
        )
        self.url = address.text
        # Not by its from_url: that loses the brackets of IPv6 and the slash after a path.
        self._api = require("grafana_client", extra="grafana", feature=FEATURE).GrafanaApi(
            auth,
            protocol=address.scheme,
            host=address.host,
            port=address.port,
            url_path_prefix=f"{address.path}/" if address.path else "",
            timeout=timeout_s,
        )
        # A write that is sent on becomes a read, and would look like a success.
        self._api.client.s.max_redirects = 0

    def ask(
        self,
        call: Callable[[Any], Any],
        doing: str,
        *,
        role: str = "Editor",
        kind: type[Any] | UnionType = object,
    ) -> Any:
        """Return Grafana's answer.

        Args:
            call: What to ask the library's GrafanaApi for.
            doing: The same in words, for the sentence.
            role: What a token must be allowed to do it.
            kind: What the answer is, where it is used.

        Raises:
            ServerError: Grafana cannot be reached, refuses, or it is no Grafana.
        """
        with self._talking(doing, role):
            answer = call(self._api)
        page = isinstance(answer, str) and answer.strip()
        if page or not isinstance(answer, kind):
            raise ServerError(self._no_json())
        return answer

    def found(self, call: Callable[[Any], Any], doing: str, *, role: str = "Editor") -> Any:
        """Return Grafana's answer, or None where it has no such thing; raise as `ask` does."""
        client = require("grafana_client.client", extra="grafana", feature=FEATURE)

        def lenient(api: Any) -> Any:
            try:
                return call(api)
            except client.GrafanaClientError as error:
                page = isinstance(error.response, str) and error.response.strip()
                if error.status_code != 404 or page:  # A page is from a proxy; some 404 are empty.
                    raise
                return None

        return self.ask(lenient, doing, role=role, kind=dict | None)

    def release(self) -> tuple[int, ...]:
        """Return the version as numbers; () where Grafana hides it.

        Raises:
            ServerError: It is no Grafana, cannot be reached, or its database is down.
        """
        health = self.ask(lambda api: api.client.GET("/health"), "say how it is")
        if not isinstance(health, dict) or "database" not in health:
            raise ServerError(self._no_json())
        numbers = str(health.get("version", "")).partition("-")[0].split(".")
        return tuple(int(number) for number in numbers if number.isdigit())

    def _no_json(self) -> str:
        return (
            f"What answers at {self.url} is no Grafana: it sent something else than its JSON. Is a login "
            f"or a proxy before it, or a part of its path missing? Give the one whose /api/health answers."
        )

    @contextmanager
    def _talking(self, doing: str, role: str) -> Iterator[None]:
        client = require("grafana_client.client", extra="grafana", feature=FEATURE)
        http = require("niquests.exceptions", extra="grafana", feature=FEATURE)
        try:
            yield
        except client.GrafanaTimeoutError:
            raise ServerError(self._late(doing)) from None
        except client.GrafanaException as error:
            if not error.status_code:
                raise ServerError(f"No Grafana can be reached at {self.url}: {_reason(error)}.") from None
            sentence = refusal(self.url, doing, error.status_code, error.response, role=role)
            raise RefusedError(sentence, error.status_code) from None
        except http.JSONDecodeError:
            raise ServerError(self._no_json()) from None
        except http.TooManyRedirects as error:
            raise ServerError(
                f"{self.url} sends on to {_target(error)}. Give --url the address where it "
                f"ends, and not that of a login page."
            ) from None
        except http.SSLError as error:
            raise ServerError(self._untrusted(error)) from None
        except http.Timeout:
            raise ServerError(self._late(doing)) from None
        except http.RequestException as error:
            raise ServerError(
                f"No Grafana can be reached at {self.url}: {_reason(error)}. "
                f"Is the address the one you open in a browser?"
            ) from None

    def _late(self, doing: str) -> str:
        return (
            f"The Grafana at {self.url} did not {doing} in time. Is it up and reachable from here? "
            f"If it is only slow, give --timeout more seconds."
        )

    def _untrusted(self, error: BaseException) -> str:
        reason = _reason(error)
        if no_tls(reason):
            return f"What answers at {self.url} does not speak TLS. Is it http:// and not https://?"
        return (
            f"The certificate of {self.url} is not trusted: {reason}. Name the file of the certificates to "
            f"trust in the variable {CERTIFICATES}."
        )


def _reason(error: BaseException) -> str:
    """Return the innermost word of a chain of errors, which is the one that says something."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        seen.append(current)
        inner = [one for one in current.args if isinstance(one, BaseException)]
        reason = getattr(current, "reason", None)
        current = next(
            (
                one
                for one in (reason, *inner, current.__cause__, current.__context__)
                if isinstance(one, BaseException)
            ),
            None,
        )
    last = seen[-1]
    text = last.strerror if isinstance(last, OSError) and last.strerror else str(last)
    return " ".join((text or type(last).__name__).split()).rstrip(".")


def _target(error: Any) -> str:
    response = getattr(error, "response", None)
    headers = getattr(response, "headers", None) or {}
    return str(headers.get("Location") or "another address").partition("?")[0]
