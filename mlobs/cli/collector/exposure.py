"""Checks of who reaches a collector, and of what goes over the network for all to read."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from mlobs.cli.collector.finding import Found
from mlobs.cli.collector.reading import Document, Path, Place, list_at, map_at

# Extensions that only answer; what they say is no secret, and no business of strangers either.
PAGES = ("health_check",)
# Where the receiver otlp listens when no endpoint is given.
OTLP = {"grpc": "localhost:4317", "http": "localhost:4318"}


def open_receivers(document: Document) -> Iterator[Found]:
    """Anyone who reaches the port could send."""
    for name, settings in map_at(document.data, "receivers").items():
        for path, inner in _servers(name, settings):
            endpoint, auth = inner.get("endpoint"), inner.get("auth")
            asks = isinstance(auth, dict) and auth.get("authenticator")
            if isinstance(endpoint, str) and not is_loopback(endpoint) and not asks:
                yield Found(
                    (*path, "endpoint"),
                    f"{endpoint!r} listens beyond this machine, and nobody is asked who they are. Listen on "
                    f"127.0.0.1, or add auth: {{authenticator: bearertokenauth/senders}} and that extension.",
                )


def authenticators(document: Document) -> Iterator[Found]:
    """A name that no extension has stops the collector, and its dry run does not tell."""
    defined, listed = (
        map_at(document.data, "extensions"),
        list_at(map_at(document.data, "service"), "extensions"),
    )
    for section in ("receivers", "exporters"):
        for path, inner in maps(map_at(document.data, section), (section,)):
            auth = inner.get("auth")
            named = auth.get("authenticator") if isinstance(auth, dict) else None
            if named and str(named) not in defined:
                yield Found(
                    (*path, "auth", "authenticator"),
                    f"there is no extension {named!r}. Define it under extensions: and list it in service:.",
                )
            elif named and named not in listed:
                yield Found(
                    (*path, "auth", "authenticator"),
                    f"the extension {named!r} is not listed in service: extensions:. List it there.",
                )


def open_pages(document: Document) -> Iterator[Found]:
    """Metrics name services, queues and addresses, and derived ones every model, agent and tool."""
    telemetry = map_at(map_at(map_at(document.data, "service"), "telemetry"), "metrics")
    for path, inner in maps(telemetry, ("service", "telemetry", "metrics")):
        host = inner.get("host", inner.get("address"))
        if isinstance(host, str) and host and not is_loopback(host if ":" in host else f"{host}:0"):
            key = "host" if "host" in inner else "address"
            yield _shown((*path, key), "the collector's own metrics", host)
    for section, kinds, what in (
        ("exporters", ("prometheus",), "the metrics of"),
        ("extensions", PAGES, "the page of"),
    ):
        for name, settings in map_at(document.data, section).items():
            endpoint = settings.get("endpoint") if isinstance(settings, dict) else None
            if name.split("/")[0] in kinds and isinstance(endpoint, str) and not is_loopback(endpoint):
                yield _shown((section, name, "endpoint"), f"{what} {name!r}", endpoint)


def clear_text(document: Document) -> Iterator[Found]:
    """What is sent, and the token with it, may be read on the way."""
    told_of: list[Place | None] = []
    for name, settings in map_at(document.data, "exporters").items():
        for path, inner in maps(settings, ("exporters", name)):
            endpoint, tls = inner.get("endpoint"), map_at(inner, "tls")
            if tls.get("insecure_skip_verify") is True:
                yield Found(
                    (*path, "tls", "insecure_skip_verify"),
                    f"{name!r} sends its token to whoever answers. Remove it, and name a ca_file.",
                    "note",
                )
            http = isinstance(endpoint, str) and endpoint.startswith("http://")
            if isinstance(endpoint, str) and http and not is_loopback(endpoint):
                yield _clear((*path, "endpoint"), name, endpoint, "Use https://")
            elif isinstance(endpoint, str) and tls.get("insecure") is True and not is_loopback(endpoint):
                yield _clear((*path, "tls", "insecure"), name, endpoint, "Remove insecure")
        hosts = map_at(map_at(map_at(document.data, "exporters"), name), "resolver")
        inner_tls = map_at(map_at(map_at(settings, "protocol"), "otlp"), "tls")
        told = (list_at(map_at(hosts, "static"), "hostnames") or [hosts]) if hosts else []
        beyond = [one for one in told if not (isinstance(one, str) and is_loopback(one))]
        path = ("exporters", name, "protocol", "otlp", "tls", "insecure")
        place = document.place(path)  # Several exporters may share one text.
        if inner_tls.get("insecure") is True and beyond and place not in told_of:
            told_of.append(place)
            where = beyond[0] if isinstance(beyond[0], str) else "what its resolver finds"
            yield _clear(path, name, where, "Give the samplers certificates and set it to false")


def one_port_twice(document: Document) -> Iterator[Found]:
    """The second to listen on an address stops the collector."""
    seen: dict[str, Path] = {}
    opened = [
        (path, inner.get("endpoint"))
        for name, settings in map_at(document.data, "receivers").items()
        for path, inner in _servers(name, settings)
    ]
    pages = maps(map_at(document.data, "extensions"), ("extensions",))
    for path, endpoint in (*opened, *((path, inner.get("endpoint")) for path, inner in pages)):
        if not isinstance(endpoint, str) or endpoint.endswith(":0"):
            continue
        if endpoint in seen:
            yield Found(
                (*path, "endpoint"),
                f"{endpoint!r} is where {'.'.join(seen[endpoint])} listens already. Take another port.",
            )
        seen.setdefault(endpoint, path)


def served(name: str, settings: Any) -> Iterator[tuple[Path, str]]:
    """Yield the addresses that a receiver opens, with the key of each, those that stand nowhere too."""
    for path, inner in _servers(name, settings):
        endpoint = inner.get("endpoint")
        if isinstance(endpoint, str) and inner.get("transport") != "unix":
            yield (*path, "endpoint"), endpoint
    protocols = map_at(settings, "protocols") if name.split("/")[0] == "otlp" else {}
    for way, endpoint in OTLP.items():
        if way in protocols and not map_at(protocols, way).get("endpoint"):
            yield ("receivers", name, "protocols", way, "endpoint"), endpoint


def public(url: str) -> str:
    """Return a URL without user, password and query, which may hold a secret.

    >>> public("http://me:secret@server:4318/otlp?password=secret")
    'http://server:4318/otlp'
    """
    scheme, colon, rest = url.rpartition("://") if "://" in url else ("", "", url)
    whole = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority, slash, path = whole.partition("/")
    host = authority.rpartition("@")[2]
    # What is no URL, as with a slash in the password, may be a secret anywhere.
    if "@" in path or not re.fullmatch(r"[^:]*|.*:[0-9]*|\[.*\]", host):
        return f"{scheme}{colon}..."
    return f"{scheme}{colon}{host}{slash}{path}"


def is_loopback(endpoint: str) -> bool:
    """Return whether only this machine reaches an address."""
    address = endpoint.strip().rpartition("://")[2]
    if "://" in endpoint:
        address = address.partition("/")[0]
        address = address if ":" in address else f"{address}:0"
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost" or "/" in address:  # A socket in the file system.
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(path: Path, what: str, where: str) -> Found:
    text = f"{what} are open beyond this machine at {where!r}. Use 127.0.0.1, or "
    return Found(path, f"{text}let only your Prometheus or your probes reach that port.", "note")


def _clear(path: Path, name: str, where: str, remedy: str) -> Found:
    text = (
        f"{name!r} sends to {public(where)!r} without TLS, its token too. {remedy}, or keep it to a network "
        f"of yours."
    )
    return Found(path, text, "note")


def _servers(name: str, settings: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the maps of a receiver that are of what it opens: not of whom it asks itself."""
    whole: Path = ("receivers", name)
    asks = name.split("/")[0] == "prometheus"
    for path, inner in maps(settings, whole):
        if asks and len(path) > len(whole) and path[len(whole)] != "api_server":
            continue
        if asks and map_at(settings, "api_server").get("enabled") is not True:
            continue
        yield path, inner


def maps(value: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every map in `value` with its path, itself included."""
    if isinstance(value, dict):
        yield path, value
        for key, inner in value.items():
            yield from maps(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from maps(inner, (*path, str(number)))
