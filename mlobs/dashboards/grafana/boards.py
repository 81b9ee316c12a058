"""What becomes of the folder and the dashboards.

A write carries the version that was read, so that an edit made meanwhile is refused by Grafana
and not overwritten by us.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mlobs.dashboards.grafana import marks
from mlobs.dashboards.grafana.changes import Change, Field, Step, additions, change, differences
from mlobs.dashboards.grafana.client import Grafana, RefusedError
from mlobs.dashboards.links import TAG
from mlobs.dashboards.panels import Json
from mlobs.errors import ServerError

PAGE = 1000
NEWER_STATUS = 406  # Grafana 13 keeps what people edit in its newer form.
NEWER = "newer"
# What a panel shows; elsewhere Grafana adds fields of its own.
COMPARED = ("panels", "templating", "annotations", "links")


def plan_folder(grafana: Grafana, uid: str) -> Step:
    """Return how the folder comes to be; one that is there stays as it is, title and all."""
    there = grafana.found(lambda api: api.folder.get_folder(uid), f"read the folder {uid!r}")
    if there is not None:
        return Step((Change("folder", uid, str(there.get("title", uid)), "keep"),))
    return Step(
        (Change("folder", uid, uid, "create"),),
        lambda: grafana.ask(lambda api: api.folder.create_folder(uid, uid=uid), f"make the folder {uid!r}"),
    )


def plan_boards(grafana: Grafana, dashboards: Mapping[str, Json], folder: str) -> list[Step]:
    """Return how each dashboard comes to be what it is here.

    Raises:
        ServerError: One of our uids has a dashboard of somebody else's, or one that only
            Grafana's own files may change.
    """
    return [_plan_board(grafana, dashboard, folder) for dashboard in dashboards.values()]


def plan_board_removals(grafana: Grafana, kept: set[str]) -> Iterator[Step]:
    """Yield how dashboards go that were brought by us and are no longer here."""
    for hit in _tagged(grafana):
        uid = str(hit["uid"])
        if uid not in kept and marks.is_our_board(uid, hit.get("tags")):
            yield Step(
                (Change("dashboard", uid, str(hit.get("title", uid)), "remove"),), _removal(grafana, uid)
            )


def _removal(grafana: Grafana, uid: str) -> Callable[[], object]:
    return lambda: grafana.found(
        lambda api: api.dashboard.delete_dashboard(uid), f"remove the dashboard {uid!r}"
    )


def _tagged(grafana: Grafana) -> Iterator[Json]:
    page = 1
    while True:
        hits = _page(grafana, page)
        yield from hits
        if len(hits) < PAGE:
            return
        page += 1


def _page(grafana: Grafana, number: int) -> list[Json]:
    found: list[Json] = grafana.ask(
        lambda api: api.search.search_dashboards(
            tag=marks.MANAGED_TAG, type_="dash-db", limit=PAGE, page=number
        ),
        "list the dashboards",
        kind=list,
    )
    return found


def _plan_board(grafana: Grafana, shipped: Json, folder: str) -> Step:
    uid, title = shipped["uid"], shipped["title"]
    ours = {**shipped, "tags": [*shipped["tags"], marks.MANAGED_TAG]}
    found = _read(grafana, uid)
    if found is None:
        first = _marked(ours, 1)
        return Step((Change("dashboard", uid, title, "create"),), lambda: _save(grafana, first, folder))
    theirs, meta = found["dashboard"], found.get("meta", {})
    if TAG not in (theirs.get("tags") or ()):
        raise ServerError(
            f"The Grafana at {grafana.url} has a dashboard {theirs.get('title')!r} with the uid {uid!r} and "
            f"without the tag {TAG!r}, so it is not ours to change. Give it another uid, or the tag."
        )
    if meta.get("provisioned"):
        return _provisioned(grafana, theirs, shipped)
    planned = change("dashboard", uid, title, _fields(theirs, ours, meta, folder))
    if planned.action == "keep":
        return Step((planned,))
    version = int(theirs["version"])
    body = {**_marked(ours, version + 1), "id": theirs["id"], "version": version}
    return Step((planned,), lambda: _save(grafana, body, folder))


def _read(grafana: Grafana, uid: str) -> Json | None:
    doing = f"read the dashboard {uid!r}"
    try:
        found: Json | None = grafana.found(lambda api: api.dashboard.get_dashboard(uid), doing)
    except RefusedError as refused:
        if refused.status != NEWER_STATUS:
            raise
        return _newer(grafana, uid, doing)
    return found


def _newer(grafana: Grafana, uid: str, doing: str) -> Json:
    """Return what can be known of a dashboard in the newer form, which these addresses do not give out."""
    hits = grafana.ask(lambda api: api.search.search_dashboards(dashboard_uids=[uid]), doing, kind=list)
    told = grafana.ask(
        lambda api: api.client.GET(f"/dashboards/uid/{uid}/versions", params={"limit": 1}), doing
    )
    versions = told["versions"] if isinstance(told, dict) else told  # A list until 11.5.
    (hit,) = (hit for hit in hits if hit["uid"] == uid)
    theirs = {"id": hit["id"], "title": hit["title"], "tags": hit["tags"], "version": versions[0]["version"]}
    return {"dashboard": theirs, "meta": {"folderUid": hit.get("folderUid", ""), NEWER: True}}


def _fields(theirs: Json, ours: Json, meta: Json, folder: str) -> Iterator[Field]:
    if meta.get(NEWER):
        yield Field("form", "v2, edited in Grafana", "classic")
        return
    if meta.get("folderUid", "") != folder:
        yield Field("folder", meta.get("folderUid", ""), folder)
    wanted = dict(ours)
    if int(theirs.get("schemaVersion") or 0) > int(ours["schemaVersion"]):
        del wanted["schemaVersion"]  # A newer Grafana raises it when it reads.
    tags = theirs.get("tags") or ()
    found = [*differences({**theirs, "tags": marks.without_pushed(tags)}, wanted)]
    if marks.pushed(ours, int(theirs["version"])) not in tags:
        found += [one for part in COMPARED for one in additions(theirs.get(part), ours.get(part), part)]
        found = found or [Field("version", theirs["version"], "as it is pushed")]
    yield from found


def _marked(ours: Json, version: int) -> Json:
    """Return a dashboard with the tag that says which version it becomes."""
    return {**ours, "tags": [*ours["tags"], marks.pushed(ours, version)]}


def _provisioned(grafana: Grafana, theirs: Json, shipped: Json) -> Step:
    uid, title = shipped["uid"], shipped["title"]
    if next(differences(theirs, shipped), None) is None:
        return Step((Change("dashboard", uid, title, "keep"),))
    raise ServerError(
        f"The dashboard {uid!r} in the Grafana at {grafana.url} comes from its provisioning folder, and only "
        f"the file there may change it. Put the newer file there, or take it out and push again."
    )


def _save(grafana: Grafana, body: Json, folder: str) -> Any:
    return grafana.ask(
        lambda api: api.dashboard.update_dashboard(
            {"dashboard": body, "folderUid": folder, "overwrite": False, "message": "mlobs dashboards push"}
        ),
        f"save the dashboard {body['uid']!r}",
    )
