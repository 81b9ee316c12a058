"""The contact point by which Grafana's alerts come to `mlobs alerts receive`, signed.

Nothing is routed to it: the notification policies are one tree for everybody, and whoever owns
it adds one line (`HOW_TO_ROUTE`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlobs.dashboards.grafana import marks
from mlobs.dashboards.grafana.address import Address
from mlobs.dashboards.grafana.changes import Change, Field, Step, change, differences
from mlobs.dashboards.grafana.client import Grafana
from mlobs.dashboards.panels import Json
from mlobs.errors import ServerError, SettingError

UID = "mlobs-webhook"
NAME = "mlobs"
RELEASE_MIN = (12, 0)  # The first whose webhooks are signed.
SECRET_VARIABLE = "MLOBS_ALERT_RECEIVE_SECRET"  # noqa: S105  its name
HOW_TO_ROUTE = (
    f"No alert goes to the contact point {NAME!r} by itself: in Grafana, under Alerting, Notification "
    f"policies, add a policy below the default one that matches alertname =~ Mlobs.+ and names it."
)


@dataclass(frozen=True, slots=True)
class Contact:
    """Where webhooks go and how they are signed.

    Args:
        url: Of the receiver, with its path.
        secret: Shared with the receiver.
        signature_header: Where the receiver looks for the signature.
        timestamp_header: Where it looks for the time that is signed along.
    """

    url: Address
    secret: str = field(repr=False)
    signature_header: str
    timestamp_header: str

    def __post_init__(self) -> None:
        """Refuse what a receiver would refuse.

        Raises:
            SettingError: There is no secret, or the address has no path.
        """
        if not self.secret:
            raise SettingError(
                f"There is no secret to sign webhooks with. Set {SECRET_VARIABLE} here "
                f"to what the receiver has."
            )
        if not self.url.path:
            raise SettingError(
                f"--webhook is {self.url.text!r}, which has no path. Give the receiver's whole address, "
                f"such as https://mlobs.example.org/api/alerts/receive."
            )


def plan_contact(grafana: Grafana, contact: Contact, release: tuple[int, ...]) -> Step:
    """Return how the contact point comes to be what it is here.

    Raises:
        ServerError: Its name or uid is somebody else's, or this Grafana cannot sign.
    """
    if release and release < RELEASE_MIN:
        raise ServerError(
            f"The Grafana at {grafana.url} is of version {'.'.join(map(str, release))}, and only those from "
            f"{RELEASE_MIN[0]} on sign webhooks. Use a newer one, or leave --webhook out."
        )
    listed: list[Json] = grafana.ask(
        lambda api: api.alertingprovisioning.get_contactpoints(),
        "list the contact points",
        role=marks.ALERTING,
        kind=list,
    )
    theirs = next((one for one in listed if one.get("uid") == UID), None)
    if any(one.get("name") == NAME and one.get("uid") != UID for one in listed):
        raise ServerError(
            f"The Grafana at {grafana.url} has a contact point {NAME!r} that is not ours, and ours would "
            f"be added to it. Rename it, and push again."
        )
    body = _body(contact, ((theirs or {}).get("settings") or {}).get(marks.SEEN_KEY))
    if theirs is None:
        return Step((Change("contact point", UID, NAME, "create"),), lambda: _create(grafana, body))
    if theirs.get("provenance"):
        raise ServerError(
            f"The contact point {UID!r} in the Grafana at {grafana.url} was made by other means "
            f"({theirs['provenance']}), which alone may change it. Take it out there, or leave --webhook "
            f"out here."
        )
    planned = change("contact point", UID, NAME, _fields(theirs, body))
    if planned.action == "keep":
        return Step((planned,))
    settings = {**(theirs.get("settings") or {}), **body["settings"]}
    return Step((planned,), lambda: _update(grafana, {**body, "settings": settings}))


def _body(contact: Contact, seen: object) -> Json:
    return {
        "uid": UID,
        "name": NAME,
        "type": "webhook",
        "disableResolveMessage": False,
        "settings": {
            "url": contact.url.text,
            "httpMethod": "POST",
            "hmacConfig": {
                "secret": contact.secret,
                "header": contact.signature_header,
                "timestampHeader": contact.timestamp_header,
            },
            # Grafana keeps what it does not know, and sends nothing of it; a header would be sent.
            marks.SEEN_KEY: marks.of_secret(contact.secret, seen),
        },
    }


def _fields(theirs: Json, body: Json) -> Iterator[Field]:
    # The secret comes back hidden; the mark of it is compared instead.
    hmac: Mapping[str, Any] = body["settings"]["hmacConfig"]
    readable = {key: value for key, value in hmac.items() if key != "secret"}
    yield from differences(theirs, {**body, "settings": {**body["settings"], "hmacConfig": readable}})


def _create(grafana: Grafana, body: Json) -> Any:
    return grafana.ask(
        lambda api: api.alertingprovisioning.create_contactpoint(body, disable_provenance=True),
        f"make the contact point {NAME!r}",
        role=marks.ALERTING,
    )


def _update(grafana: Grafana, body: Json) -> Any:
    return grafana.ask(
        lambda api: api.alertingprovisioning.update_contactpoint(UID, body, disable_provenance=True),
        f"change the contact point {NAME!r}",
        role=marks.ALERTING,
    )
