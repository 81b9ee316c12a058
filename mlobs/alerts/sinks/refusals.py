"""What sinks would be refused for, said before anything is sent to them.

Edge through `building` and `dialing`: this reads secrets and asks DNS, as the server does.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from mlobs.alerts.sinks.answer import Sink
from mlobs.alerts.sinks.building import build
from mlobs.alerts.sinks.config import SinkConfig
from mlobs.alerts.sinks.dialing import Resolve, resolve
from mlobs.alerts.sinks.guard import HOW, Guard
from mlobs.errors import SettingError

PORTS = {"http": 80, "https": 443}


def refusal(
    name: str, config: SinkConfig, *, allow: Iterable[str] = (), resolve: Resolve = resolve
) -> str | None:
    """Return why nothing could be sent to a sink from here, or None if nothing speaks against it.

    Args:
        name: For the sentence.
        config: What the user wrote.
        allow: What all sinks may reach although it is private.
        resolve: Says where hosts are. A name that it does not know is no refusal: it may be known where the
            server runs.
    """
    try:
        sink = build(name, config, allow=allow)
    except SettingError as error:
        return str(error)
    guard = Guard((*allow, *getattr(config, "allow", ())))
    refused = next((why for why in _judged(sink, guard, resolve) if why is not None), None)
    return None if refused is None else f"The sink {name!r}: {refused}. {HOW}"


def _judged(sink: Sink, guard: Guard, resolve: Resolve) -> list[str | None]:
    parts = urlsplit(sink.address)
    if parts.scheme not in {*PORTS, "smtp"} or not parts.hostname:
        return []  # A program or a function is at no address.
    host = parts.hostname
    try:
        found = resolve(host, parts.port or PORTS[parts.scheme])
    except OSError:
        return []
    return [guard.refusal(host, ip) for ip in found]
