"""Reads what every hop counts: the server's ledger, and the collectors' own metrics."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from mlobs.cli.addresses import EVERY_ADDRESS
from mlobs.cli.asking import ask
from mlobs.errors import DataError, ServerError, SettingError
from mlobs.server.ledger.collectors import entries_of
from mlobs.server.ledger.entries import COLLECTORS, HOPS, PROGRAMS, Entry, read_entry
from mlobs.server.ledger.samples import read_samples

ANSWER_SECONDS = 10.0
OLD = "The server has no ledger: it is of an earlier release. Start it with this one."
PORTS = {"sidecar": 8888, "gateway": 8889, "sampler": 8890}


@dataclass(frozen=True, slots=True)
class Page:
    """A collector's own metrics: which hop it is, where, and whether somebody named it."""

    hop: str
    url: str
    named: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What every hop had counted.

    Args:
        time_s: When reading began, in seconds since 1970.
        entries: What they said.
        silent: Pages nobody named where nothing answers.
        took_s: How long it took.
    """

    time_s: float
    entries: Sequence[Entry]
    silent: Sequence[Page]
    took_s: float


def pages(given: Mapping[str, Sequence[str] | None], environ: Mapping[str, str] = os.environ) -> list[Page]:
    """Return the pages that flags name; if none is named, those that the collectors' variables say.

    Raises:
        SettingError: One is no address.
    """
    named = [Page(hop, _page(hop, url), named=True) for hop in COLLECTORS for url in given.get(hop) or ()]
    if named:
        return named
    found = []
    for hop, port in PORTS.items():
        host = environ.get(f"MLOBS_{hop.upper()}_METRICS_HOST") or "127.0.0.1"
        told = environ.get(f"MLOBS_{hop.upper()}_METRICS_PORT") or str(port)
        host = "127.0.0.1" if host.strip("[]") in EVERY_ADDRESS else host
        found.append(Page(hop, _page(hop, f"http://{host}:{told}"), named=False))
    return found


def read(server: str | None, asked: Sequence[Page], *, since_s: float = 0, first: bool = False) -> Reading:
    """Read every hop once.

    Args:
        server: The server; that of the environment if None.
        asked: The collectors.
        since_s: Programs are counted from here on; 0 for ever.
        first: Whether it is the first of two readings. Of two neighbours the sender is read first, or at the
            first of two readings last, so that what moves meanwhile does not seem to be missing.

    Raises:
        ServerError: No server or no named collector answers.
        DataError: A named page is no page of metrics.
    """
    began_s = time.time()
    programs = [] if first else _server(server, since_s, programs=True)
    own = _server(server, since_s, programs=False) if first else []
    found: list[Entry] = []
    silent = []
    order = sorted(asked, key=lambda page: HOPS.index(page.hop), reverse=first)
    for page in order:
        text = _fetch(page)
        if text is None:
            silent.append(page)
        else:
            told = entries_of(read_samples(text), _place(page), hop=page.hop, now_s=time.time())
            found += [replace(one, named=page.named) for one in told]
    if not first:
        own = _server(server, since_s, programs=False)
    return Reading(began_s, [*programs, *found, *own], silent, time.time() - began_s)


def _server(server: str | None, since_s: float, *, programs: bool) -> list[Entry]:
    moment = datetime.fromtimestamp(since_s, UTC).isoformat() if since_s else None
    told = ask(server, "/api/ledger", {"from": moment} if moment else {}, missing=OLD)
    found = [read_entry(one) for one in told["entries"]]
    return [one for one in found if (one.hop == PROGRAMS) is programs]


def _page(hop: str, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingError(
            f"--{hop}={url!r} is no address. Give that of its own metrics, such as "
            f"http://127.0.0.1:{PORTS[hop]}/metrics."
        )
    return url if parts.path.strip("/") else f"{url.rstrip('/')}/metrics"


def _place(page: Page) -> str:
    return f"{page.hop} {urlsplit(page.url).netloc}"


def _fetch(page: Page) -> str | None:
    import requests

    try:
        answer = requests.get(page.url, timeout=ANSWER_SECONDS)
    except requests.exceptions.RequestException as error:
        if not page.named:
            return None
        raise ServerError(
            f"Nothing answers at {page.url} ({type(error).__name__}). Name where the {page.hop} shows its "
            f"own metrics with --{page.hop}; by default that is port {PORTS[page.hop]}."
        ) from None
    if answer.status_code != 200:
        raise DataError(
            f"{page.url} answers {answer.status_code}; a page of a collector's own metrics was wanted."
        )
    return answer.text


def ask_prometheus(url: str, query: str, at_s: float) -> list[dict[str, Any]]:
    """Return the series of a query, with their samples.

    Raises:
        SettingError: It is no address.
        ServerError: No Prometheus answers, or it refuses.
    """
    import requests

    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingError(f"--prometheus={url!r} is no address. Give one such as http://127.0.0.1:9090.")
    try:
        answer = requests.post(
            f"{url.rstrip('/')}/api/v1/query", {"query": query, "time": f"{at_s:.3f}"}, timeout=60
        )
        told = answer.json()
        found: list[dict[str, Any]] = told["data"]["result"]
    except requests.exceptions.JSONDecodeError:
        raise ServerError(
            f"What answers at {url} is no Prometheus. Name its address with --prometheus."
        ) from None
    except requests.exceptions.RequestException as error:
        raise ServerError(f"No Prometheus answers at {url} ({type(error).__name__}).") from None
    except (KeyError, TypeError):
        said = told.get("error", "") if isinstance(told, dict) else ""
        raise ServerError(f"The Prometheus at {url} does not answer the question: {said[:200]}") from None
    return found
