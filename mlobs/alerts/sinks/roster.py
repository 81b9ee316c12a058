"""All sinks of a process: those of the file, or the one of MLOBS_ALERT_WEBHOOK_URL.

Edge through `building`.
"""

from collections.abc import Mapping

from mlobs.alerts.sinks.answer import Sink
from mlobs.alerts.sinks.building import WEBHOOK, build, webhook
from mlobs.alerts.sinks.config import SinkConfig
from mlobs.alerts.sinks.guard import entry
from mlobs.errors import SettingError
from mlobs.settings import AlertSettings, variable


def roster(settings: AlertSettings, configs: Mapping[str, SinkConfig] | None) -> dict[str, Sink]:
    """Return the sinks by name.

    Args:
        settings: The webhook, and what may be reached although it is private.
        configs: Those of the file; None if there is none. Then the webhook, if it is set, is the
            one sink.

    Raises:
        SettingError: One cannot work.
    """
    allow = allowed(settings)
    if configs is not None:
        return {name: build(name, config, allow=allow) for name, config in configs.items()}
    if settings.webhook_url is None:
        return {}
    secret = settings.webhook_secret.get_secret_value()
    if not secret:
        name = variable(AlertSettings, "webhook_secret")
        raise SettingError(
            f"{variable(AlertSettings, 'webhook_url')} is set and {name} is not; deliveries are always "
            f"signed. Make a secret and give it to whoever listens: export {name}=$(openssl rand -hex 32)"
        )
    return {WEBHOOK: webhook(settings.webhook_url, secret, allow=allow)}


def allowed(settings: AlertSettings) -> tuple[str, ...]:
    """Return what every sink may reach although it is private.

    Raises:
        SettingError: One of them is neither a host nor a network.
    """
    try:
        return tuple(entry(one) for one in settings.allow.split(",") if one.strip())
    except ValueError as error:
        raise SettingError(f"{variable(AlertSettings, 'allow')} cannot be used: {error}.") from None
