"""The receiver of webhooks as a part of `mlobs up`: the server's port, guard and alerts."""

from collections.abc import Iterable
from itertools import chain

from starlette.requests import Request
from starlette.responses import Response

from mlobs.alerts.alerting import Alerting
from mlobs.alerts.receive.receiving import Receiving, Sample, authenticator
from mlobs.cli.alerts.later import later
from mlobs.errors import SettingError
from mlobs.server.access.routes import GuardedRoute, route
from mlobs.server.access.scopes import INGEST, OPEN
from mlobs.settings import ReceiveSettings, ServerSettings, variable

PATH = "/api/alerts/receive"


class Mounted:
    """Takes webhooks on the server's own port.

    Where MLOBS_ALERT_RECEIVE_* has a secret, whoever knows it may send. Where the server has tokens, so
    may one for ingest; any other Authorization is refused before it comes here, so a bearer token or
    a name and password of this receiver's own cannot be had beside them. On loopback without any,
    everybody on the machine may.

    Args:
        server: Whether there are tokens.
        settings: Who else may send, and how much.

    Raises:
        SettingError: The secrets cannot be used, or not beside the server's tokens.
    """

    def __init__(self, server: ServerSettings, settings: ReceiveSettings) -> None:
        self._tokens = server.tokens is not None
        self._settings = settings
        self._asks = authenticator(settings).asks
        shadowed = [name for name in ("token", "basic") if getattr(settings, name).get_secret_value()]
        if self._tokens and shadowed:
            raise SettingError(
                f"{' and '.join(variable(ReceiveSettings, name) for name in shadowed)} cannot be used where "
                f"{variable(ServerSettings, 'tokens')} is set, for the server's own tokens decide over every "
                f"Authorization. Give the sender one of those with the scope ingest, or let it sign with "
                f"{variable(ReceiveSettings, 'secret')}."
            )
        self._receiving: Receiving | None = None

    def route(self) -> GuardedRoute:
        """Return where webhooks are taken."""
        scope = OPEN if self._asks else INGEST
        return route(PATH, self._receive, scope=scope, methods=["POST", "PUT"])

    def start(self, alerting: Alerting) -> None:
        """Take webhooks from now on and tell the sinks of what the server alerts."""
        telling = alerting.telling
        self._receiving = Receiving(self._settings, telling.outbox, telling.dispatcher, alerting.clock)
        self._receiving.start()

    def stop(self) -> None:
        """Write down what waits, then end; before the alerts do."""
        if self._receiving is not None:
            self._receiving.stop()

    def samples(self) -> Iterable[Sample]:
        """Return the values of the metrics that are about receiving, with their labels."""
        return chain() if self._receiving is None else self._receiving.samples()

    async def _receive(self, request: Request) -> Response:
        if self._receiving is None:
            return later("The server is starting; send it again.", 1)
        known = INGEST in request.state.caller.scopes
        believed = not self._asks or (self._tokens and known)
        return await self._receiving.endpoint.receive(request, believed=believed)
