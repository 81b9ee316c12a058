"""Receiving as a whole: who may send, what was sent, and its way to the sinks.

What is answered on the web is `endpoint`; this ties it to an outbox.
"""

from collections.abc import Callable, Iterator

from mlobs.alerts.outbox import Outbox
from mlobs.alerts.receive.authentication import Authenticator
from mlobs.alerts.receive.endpoint import Endpoint
from mlobs.alerts.receive.inbox import Inbox
from mlobs.alerts.routing.dispatcher import Dispatcher
from mlobs.errors import SettingError
from mlobs.semconv import attributes as a
from mlobs.semconv.metrics import ALERT_RECEIVED, ALERT_REFUSED
from mlobs.semconv.rows import Metric
from mlobs.settings import ReceiveSettings

OUTCOMES = ("changed", "repeated", "late", "truncated")

Sample = tuple[Metric, dict[str, str], float]


class Receiving:
    """Takes webhooks and gives what changed to a dispatcher.

    Args:
        settings: Who may send, and how much.
        outbox: Whose file is written to.
        dispatcher: Where messages go.
        clock: Seconds since 1970.

    Raises:
        SettingError: The secrets cannot be used.
    """

    def __init__(
        self,
        settings: ReceiveSettings,
        outbox: Outbox,
        dispatcher: Dispatcher,
        clock: Callable[[], float],
    ) -> None:
        self.authenticator = authenticator(settings)
        self.inbox = Inbox(outbox, dispatcher, clock)
        self.endpoint = Endpoint(self.authenticator, self.inbox, bytes_max=settings.bytes_max)

    def start(self) -> None:
        """Take webhooks from now on."""
        self.inbox.start()

    def stop(self) -> None:
        """Write down what waits, then end."""
        self.inbox.stop()

    def samples(self) -> Iterator[Sample]:
        """Return the values of the metrics that are about receiving, with their labels."""
        for outcome in OUTCOMES:
            yield ALERT_RECEIVED, {a.OUTCOME.label: outcome}, float(self.inbox.counts[outcome])
        for reason, count in tuple(self.endpoint.refused.items()):
            yield ALERT_REFUSED, {a.REASON.label: reason}, float(count)


def authenticator(settings: ReceiveSettings) -> Authenticator:
    """Return what knows the secrets in the settings.

    Raises:
        SettingError: They cannot be used.
    """
    signature, timestamp = settings.signature_header, settings.timestamp_header
    if bool(signature) != bool(timestamp):
        raise SettingError(
            "MLOBS_ALERT_RECEIVE_SIGNATURE_HEADER and MLOBS_ALERT_RECEIVE_TIMESTAMP_HEADER belong together: "
            "set both or neither. A signature without a time could be sent again by anybody who saw it."
        )
    return Authenticator(
        secret=settings.secret.get_secret_value(),
        token=settings.token.get_secret_value(),
        basic=settings.basic.get_secret_value(),
        headers=(signature, timestamp) if signature else None,
    )
