"""Makes sinks of what users wrote, once, at the start: what cannot work is said then.

Edge: this reads secrets, certificates and the path of programs.
"""

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlobs.alerts.sinks.answer import Sink
from mlobs.alerts.sinks.command import Command
from mlobs.alerts.sinks.config import (
    CallableConfig,
    CommandConfig,
    EmailConfig,
    Networked,
    PagerDutyConfig,
    SinkConfig,
    SlackConfig,
    TeamsConfig,
    WebhookConfig,
    checked_url,
)
from mlobs.alerts.sinks.dialing import Dialer, Resolve, resolve, trust
from mlobs.alerts.sinks.excuses import of_pagerduty, of_slack, of_teams
from mlobs.alerts.sinks.function import Function, imported
from mlobs.alerts.sinks.guard import Guard, check_now, own_permission
from mlobs.alerts.sinks.mail import Account, Mail
from mlobs.alerts.sinks.pagerduty import for_pagerduty
from mlobs.alerts.sinks.posting import Doubt, Post
from mlobs.alerts.sinks.secret import Secret
from mlobs.alerts.sinks.slack import GAP_S, for_slack
from mlobs.alerts.sinks.teams import for_teams
from mlobs.alerts.sinks.told import Told, told
from mlobs.alerts.sinks.webhook import Rendered, Webhook
from mlobs.errors import SettingError

WEBHOOK = "webhook"  # The sink of MLOBS_ALERT_WEBHOOK_URL.


def build(name: str, config: SinkConfig, *, allow: Iterable[str] = (), resolve: Resolve = resolve) -> Sink:
    """Return a sink.

    Args:
        name: For sentences.
        config: What the user wrote.
        allow: What all sinks may reach although it is private, besides the sink's own list.
        resolve: Says where hosts are.

    Raises:
        SettingError: A secret, a certificate, a program or a function is not there, or the address
            is one that will be refused.
    """
    where = f"The sink {name!r}"
    match config:
        case WebhookConfig():
            post = _post(config, config.url, where, allow, resolve)
            return Webhook(post, config.secret.read(f"The secret of the sink {name!r}").encode())
        case SlackConfig():
            post = _post(config, config.url, where, allow, resolve, of_slack)
            return Rendered("slack", post, _json(for_slack, config.title, config.text), gap_s=GAP_S)
        case TeamsConfig():
            post = _post(config, config.url, where, allow, resolve, of_teams)
            return Rendered("teams", post, _json(for_teams, config.title, config.text))
        case PagerDutyConfig():
            post = _post(config, config.url, where, allow, resolve, of_pagerduty)
            key = config.routing_key.read(f"The routing_key of the sink {name!r}")
            lay_out = _json(for_pagerduty, config.title, config.text, routing_key=key)
            return Rendered("pagerduty", post, lay_out)
        case EmailConfig():
            return _mail(config, name, allow, resolve)
        case CommandConfig():
            return _command(config, name)
        case CallableConfig():
            return Function(config.function, imported(config.function, where), timeout_s=config.timeout_s)


def webhook(url: str, secret: str, *, allow: Iterable[str] = (), resolve: Resolve = resolve) -> Webhook:
    """Return the sink of MLOBS_ALERT_WEBHOOK_URL; a host that is a number or localhost is allowed by itself.

    Args:
        url: Where to post.
        secret: Shared with whoever listens.
        allow: What may be reached although it is private.
        resolve: Says where its host is.

    Raises:
        SettingError: The address cannot be used.
    """
    where = "MLOBS_ALERT_WEBHOOK_URL"
    try:
        host = _host(checked_url(url))
    except ValueError as error:
        raise SettingError(f"{where} cannot be used: {error}.") from None
    guard = Guard((*allow, *own_permission(host)))
    check_now(guard, host, where)
    return Webhook(Post(url, guard, trust(None, where), resolve), secret.encode())


def _post(
    config: Networked,
    url: str | Secret,
    where: str,
    allow: Iterable[str],
    resolve: Resolve,
    doubt: Doubt | None = None,
) -> Post:
    if isinstance(url, Secret):
        url = url.read(f"The url of the sink {where.removeprefix('The sink ')}")
    try:
        host = _host(checked_url(url))
    except ValueError as error:
        raise SettingError(f"{where}: url cannot be used: {error}.") from None
    guard = Guard((*allow, *config.allow))
    check_now(guard, host, where)
    # What is sent to these holds their secret, in the address or the body; a webhook's is only signed.
    if url.lower().startswith("http:") and not isinstance(config, WebhookConfig) and not guard.lists(host):
        raise SettingError(
            f"{where}: url begins with http, so whoever is on the way could read its secret; https was "
            f"wanted. If its host is one of your own, list it under allow."
        )
    return Post(url, guard, trust(config.ca, where), resolve, doubt)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _json(
    lay_out: Callable[..., dict[str, Any]], title: str | None, text: str | None, **given: str
) -> Callable[[str, bytes], bytes]:
    def render(delivery: str, body: bytes) -> bytes:
        shown: Told = told(body, delivery)
        made = lay_out(shown, title=title, text=text, **given)
        return json.dumps(made, ensure_ascii=False).encode("utf-8", "replace")

    return render


def _mail(config: EmailConfig, name: str, allow: Iterable[str], resolve: Resolve) -> Mail:
    where = f"The sink {name!r}"
    guard = Guard((*allow, *config.allow))
    check_now(guard, config.host, where)
    password = config.password.read(f"The password of the sink {name!r}") if config.password else ""
    account = Account(
        sender=config.sender,
        to=config.to,
        security=config.security,
        username=config.username,
        password=password,
    )
    return Mail(
        Dialer(config.host, config.port, guard, resolve),
        account,
        trust(config.ca, where),
        title=config.title,
        text=config.text,
    )


def _command(config: CommandConfig, name: str) -> Command:
    folder = config.folder or Path("/")
    if shutil.which(config.argv[0], path=None) is None:
        raise SettingError(
            f"The sink {name!r}: argv[0]={config.argv[0]!r} is no program that can be started. Give its "
            f"whole path, or put it on PATH where mlobs runs."
        )
    if not folder.is_dir():
        raise SettingError(f"The sink {name!r}: folder={str(folder)!r} is not there.")
    env = {
        variable: secret.read(f"{variable} of the sink {name!r}") for variable, secret in config.env.items()
    }
    return Command(config.argv, timeout_s=config.timeout_s, env=env, folder=folder)
