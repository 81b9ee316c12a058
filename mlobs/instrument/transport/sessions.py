"""The session of `requests` that telemetry is posted with. Edge."""

from functools import cache
from inspect import signature
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool

WATCHING = "background_watch_delay"


class OtlpSession(requests.Session):
    """Starts no threads, and trusts its own file of certificates.

    urllib3-future takes urllib3's place wherever it is installed, and grafana-client brings it. It watches
    kept connections in a thread; Python 3.12 starts none any more once a program ends, and what is delivered
    then would be lost.

    Args:
        certificate: File of certificates to trust; REQUESTS_CA_BUNDLE would win over a plain session's.
    """

    def __init__(self, certificate: str | None = None) -> None:
        super().__init__()
        if certificate is not None:
            self.verify = certificate
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Unwatched())

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Return what a request is sent with."""
        own = self.verify if verify is None and isinstance(self.verify, str) else verify
        return super().merge_environment_settings(url, proxies, stream, own, cert)


class _Unwatched(HTTPAdapter):
    def init_poolmanager(self, connections: int, maxsize: int, block: Any = None, **named: Any) -> None:
        super().init_poolmanager(connections, maxsize, bool(block), **_without_watching(), **named)

    def proxy_manager_for(self, proxy: Any, **named: Any) -> Any:
        return super().proxy_manager_for(proxy, **_without_watching(), **named)


@cache
def _without_watching() -> dict[str, Any]:
    """Return what pools are made with: urllib3's own know no such thing."""
    return {WATCHING: None} if WATCHING in signature(HTTPConnectionPool).parameters else {}
