"""Sinks as users write them: who can be told, and how. Checked when the file is read.

    sinks:
      team:
        type: slack
        url: {env: SLACK_WEBHOOK_URL}
        title: "${rule} in ${service_name}"
      pager:
        type: pagerduty
        routing_key: {file: /run/secrets/pagerduty}
      rollback:
        type: command
        argv: [/usr/local/bin/rollback, --yes]
        timeout_s: 60

Data only: nothing is resolved or opened here, and no secret is in it, only where it is.
"""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from mlobs.alerts.sinks.guard import Allowed
from mlobs.alerts.sinks.secret import Secret
from mlobs.alerts.sinks.template import TemplateText

PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
FUNCTION = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"
ADDRESS = r"^[^\s@<>,;:\"]+@[^\s@<>,;:\"]+$"


def checked_url(url: str) -> str:
    """Return an address that can be posted to.

    Raises:
        ValueError: It is none. The sentence does not repeat it, for it may be secret.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("it is no address; one such as https://example.org/hook was wanted") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError("it is no address; one such as https://example.org/hook was wanted")
    if parts.username or parts.password:
        raise ValueError("it has a name or password before the host; those are not sent")
    if not url.isascii() or any(c.isspace() for c in url):
        raise ValueError("it has a space or a letter outside ASCII; encode those")
    return url


class Part(BaseModel):
    """A part of the file: what is not known is a mistake, and input is never repeated."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Networked(Part):
    """What all that are reached over the network have in common."""

    allow: tuple[Allowed, ...] = Field(
        (), description="Hosts and networks that may be reached although they are private."
    )
    ca: Path | None = Field(None, description="File of the certificates to trust, instead of the system's.")


class Words(Part):
    """What those for people have in common."""

    title: TemplateText | None = Field(None, description="One line with names such as ${rule}.")
    text: TemplateText | None = Field(None, description="The text below it.")


class WebhookConfig(Networked):
    """Posts the message as JSON, signed."""

    type: Literal["webhook"]
    url: Annotated[str, AfterValidator(checked_url)] | Secret
    secret: Secret = Field(description="Signs what is sent.")


class SlackConfig(Networked, Words):
    """Posts to an incoming webhook of Slack."""

    type: Literal["slack"]
    url: Secret = Field(description="The incoming webhook's address; whoever has it can post.")


class TeamsConfig(Networked, Words):
    """Posts an adaptive card to a workflow of Microsoft Teams."""

    type: Literal["teams"]
    url: Secret = Field(description="The workflow's address; whoever has it can post.")


class PagerDutyConfig(Networked, Words):
    """Triggers and resolves incidents through the Events API, version 2."""

    type: Literal["pagerduty"]
    routing_key: Secret = Field(description="The integration's key.")
    url: Annotated[str, AfterValidator(checked_url)] = Field(PAGERDUTY, description="Another region's.")


class EmailConfig(Networked, Words):
    """Sends mail through an SMTP server."""

    type: Literal["email"]
    host: str = Field(min_length=1, pattern=r"^[A-Za-z0-9.:_-]+$", description="The SMTP server.")
    port: int = Field(587, ge=1, le=65_535, description="Its port.")
    security: Literal["starttls", "tls", "none"] = Field("starttls", description="How it is encrypted.")
    sender: str = Field(pattern=ADDRESS, description="From.")
    to: tuple[Annotated[str, Field(pattern=ADDRESS)], ...] = Field(min_length=1, max_length=50)
    username: str | None = Field(None, min_length=1)
    password: Secret | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        if self.password is not None and self.security == "none":
            raise ValueError("a password is not sent without encryption; set security to starttls or tls")
        return self


class CommandConfig(Part):
    """Starts a program, without a shell, with the message as JSON on its standard input."""

    type: Literal["command"]
    argv: tuple[str, ...] = Field(min_length=1, description="The program and its arguments.")
    timeout_s: float = Field(30.0, gt=0, le=3600, description="Seconds until it is killed.")
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Secret] = Field(
        default_factory=dict, description="Secrets it gets; of our variables only PATH, HOME, LANG and TZ."
    )
    folder: Path | None = Field(None, description="Where it runs; / if unset.")


class CallableConfig(Part):
    """Calls a Python function with the message."""

    type: Literal["callable"]
    function: str = Field(pattern=FUNCTION, description="package.module:function")
    timeout_s: float = Field(30.0, gt=0, le=3600, description="Seconds to wait for it.")


SinkConfig = Annotated[
    WebhookConfig
    | SlackConfig
    | TeamsConfig
    | PagerDutyConfig
    | EmailConfig
    | CommandConfig
    | CallableConfig,
    Field(discriminator="type"),
]
