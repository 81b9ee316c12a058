"""Brings the dashboards to a Grafana, and leaves alone what is already there.

First everything is read and compared, then everything is written: a refusal in the middle of
the reading changes nothing. A write carries the version that was read, so that an edit made
meanwhile is refused by Grafana and not overwritten by us.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from mlobs._extras import require
from mlobs.dashboards.build import TAG
from mlobs.dashboards.panels import Json
from mlobs.errors import ServerError, SettingError

FOLDER = "mlobs"
TIMEOUT_S = 10.0
ADVICE = {
    401: "The token is unknown or expired: make one for a service account with the role Editor.",
    403: "The token may not do this: give its service account the role Editor.",
    412: "Somebody changed it meanwhile: push again.",
}

Action = Literal["create", "update", "keep"]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one folder or dashboard."""

    kind: Literal["folder", "dashboard"]
    uid: str
    title: str
    action: Action


def push(
    dashboards: Mapping[str, Json], *, url: str, token: str, folder: str = FOLDER, dry_run: bool = False
) -> list[Change]:
    """Make the folder and the dashboards in Grafana what they are here; return what changed.

    Args:
        dashboards: As built, by file name.
        url: Where people open Grafana, with its path if it has one.
        token: Of a service account.
        folder: The uid of the folder to put them in; made where it is missing.
        dry_run: Say what would change and change nothing.

    Raises:
        SettingError: No address or no token was given.
        ServerError: Grafana cannot be reached, refuses, or has a dashboard of somebody
            else's under one of our uids.
    """
    if not url or not token:
        # The client itself would go on with admin:admin at localhost.
        missing = "address" if not url else "token"
        raise SettingError(
            f"The {missing} of Grafana is empty. Give it with --url and --token, or in the variables "
            f"GRAFANA_URL and GRAFANA_TOKEN."
        )
    with _talking(url):
        grafana = _client(url, token)
        there = _found(grafana.folder.get_folder, folder)
        changes = [Change("folder", folder, folder, "keep" if there else "create")]
        plans = [_plan(dashboard, grafana, url) for dashboard in dashboards.values()]
        changes += [change for change, _ in plans]
        if dry_run:
            return changes
        if there is None:
            grafana.folder.create_folder(folder, uid=folder)
        for change, body in plans:
            if change.action != "keep":
                grafana.dashboard.update_dashboard(
                    {"dashboard": body, "folderUid": folder, "overwrite": False, "message": "mlobs"}
                )
    return changes


def includes(theirs: Any, ours: Any) -> bool:
    """Tell whether everything in `ours` is in `theirs`; Grafana may have added fields.

    >>> includes({"uid": "a", "version": 3, "tags": ["x"]}, {"uid": "a", "tags": ["x"]})
    True
    """
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and all(
            key in theirs and includes(theirs[key], value) for key, value in ours.items()
        )
    if isinstance(ours, list):
        return (
            isinstance(theirs, list)
            and len(theirs) == len(ours)
            and all(includes(*pair) for pair in zip(theirs, ours, strict=True))
        )
    return bool(theirs == ours)


def _plan(ours: Json, grafana: Any, url: str) -> tuple[Change, Json]:
    uid, title = ours["uid"], ours["title"]
    found = _found(grafana.dashboard.get_dashboard, uid)
    if found is None:
        return Change("dashboard", uid, title, "create"), ours
    theirs = found["dashboard"]
    if TAG not in theirs.get("tags", ()):
        raise ServerError(
            f"The Grafana at {url} has a dashboard {theirs.get('title')!r} with the uid {uid!r} and without "
            f"the tag {TAG!r}, so it is not ours to change. Give it another uid, or the tag."
        )
    if includes(theirs, ours):
        return Change("dashboard", uid, title, "keep"), ours
    return Change("dashboard", uid, title, "update"), {
        **ours,
        "id": theirs["id"],
        "version": theirs["version"],
    }


def _client(url: str, token: str) -> Any:
    grafana = require("grafana_client", extra="grafana", feature="Pushing dashboards")
    auth = require("grafana_client.client", extra="grafana", feature="Pushing dashboards").TokenAuth
    return grafana.GrafanaApi.from_url(url, credential=auth(token), timeout=TIMEOUT_S)


def _found(get: Any, uid: str) -> Json | None:
    client = require("grafana_client.client", extra="grafana", feature="Pushing dashboards")
    try:
        found: Json = get(uid)
    except client.GrafanaClientError as error:
        if error.status_code != 404:
            raise
        return None
    return found


@contextmanager
def _talking(url: str) -> Iterator[None]:
    client = require("grafana_client.client", extra="grafana", feature="Pushing dashboards")
    http = require("niquests.exceptions", extra="grafana", feature="Pushing dashboards")
    try:
        yield
    except client.GrafanaException as error:
        advice = ADVICE.get(error.status_code, "")
        raise ServerError(
            f"The Grafana at {url} answered {error.status_code}: {error.message}. {advice}".rstrip()
        ) from None
    except http.RequestException as error:
        raise ServerError(
            f"No Grafana can be reached at {url}: {error}. Is the address the one you open in a browser?"
        ) from None
