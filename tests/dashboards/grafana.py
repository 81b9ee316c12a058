"""A Grafana for tests: it answers what pushing asks, and refuses what Grafana refuses.

No Grafana can be run by the tests, so what is here was taken down from its documentation and from
its source, which is read and not copied:

* From the source (handlers of folders, dashboards, data sources and alert provisioning, 9 to 13):
  statuses and messages of every refusal; a save without `overwrite` must carry the present version
  (412 `version-mismatch`); a provisioned dashboard or data source is refused (400, 403); names and
  uids of data sources are unique (409); what is left out of a PUT of a group of rules is deleted;
  a rule of a group may move here from another by its uid; provenances that may follow one another;
  the header X-Disable-Provenance counts by being there; unknown fields of rules, folders and data
  sources are dropped, those of dashboards, jsonData and settings kept; secrets never come back;
  a dashboard that is kept in the newer form is not given out (406), though listed and overwritten.
* From the documentation: the shapes of search hits, of the 401 and 403 bodies, which role may do
  what, that addresses with numeric ids are off by default in 13 (dashboards by id are
  gone), that versions grow on each save though nothing changed, the defaults that a rule's queries get.
* From the client library: the addresses, methods and parameters that are sent.
* Assumed: that the secret of a webhook's signature comes back as [REDACTED] where it was; that a
  404 of an address that is off looks like any other; that contact points refuse a second of a uid
  with 409.
"""

import contextlib
import http.server
import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.dashboards.grafana_alerting import Alerting
from tests.dashboards.grafana_sources import DataSources

ADMIN, EDITOR, VIEWER = "glsa_admin", "glsa_editor", "glsa_viewer"
ROLES = {ADMIN: 3, EDITOR: 2, VIEWER: 1}
UID = re.compile(r"[A-Za-z0-9_-]{1,40}\Z")
Json = dict[str, Any]
Answer = tuple[int, Any]
NOT_FOUND: Answer = (404, {"message": "Not found"})


@dataclass
class Grafana:
    """What the server holds, and every write it was sent."""

    release: str = "13.2.3"
    folders: dict[str, Json] = field(default_factory=dict)
    dashboards: dict[str, Json] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    provisioned: set[str] = field(default_factory=set)
    newer: set[str] = field(default_factory=set)  # Edited by people in 13, and kept in the newer form.
    unique_titles: bool = False  # Until 10 a title is unique in its folder.
    writes: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    refuse: dict[str, Answer] = field(default_factory=dict)  # "METHOD /api/..." -> the answer.
    page: str = ""  # What a proxy before it answers with, whatever is asked.
    redirect: str = ""
    silent: bool = False
    alerting_role: int = 2  # 3 before 11: those who may ask for alert rules and contact points.
    prefix: str = ""
    url: str = ""
    sources: DataSources = field(default_factory=DataSources)
    alerting: Alerting = field(default_factory=Alerting)

    def answer(self, method: str, target: str, body: Any, headers: Any) -> Answer:
        """Return the status and the body for one request."""
        parts = urlsplit(target)
        path, query = parts.path, parse_qs(parts.query)
        self.requests.append(f"{method} {path}")
        if f"{method} {path}" in self.refuse:
            return self.refuse[f"{method} {path}"]
        steps = path.split("/")[1:]
        if steps == ["api", "health"]:
            return 200, {"commit": "0", "database": "ok", "version": self.release}
        role = ROLES.get((headers.get("Authorization") or "").removeprefix("Bearer "), 0)
        if not role:
            told = {"message": "Invalid API key", "messageId": "api-key.invalid", "statusCode": 401}
            return 401, {"extra": None, "traceID": "", **told}
        needed = 3 if steps[1] == "datasources" else 2 if method != "GET" else 1
        if steps[1:3] == ["v1", "provisioning"]:
            needed = self.alerting_role
        if role < needed:
            return forbidden(f"{steps[1]}:{'read' if method == 'GET' else 'write'}")
        before = len(self.writes)
        answer = self.route(method, steps, query, body, headers)
        if method != "GET" and answer[0] < 300 and len(self.writes) == before:
            self.writes.append(f"{method} {path}")
        return answer

    def route(self, method: str, steps: list[str], query: Any, body: Any, headers: Any) -> Answer:
        """Find who answers."""
        match method, steps[1:]:
            case "GET", ["frontend", "settings"]:
                shown = {one["name"]: {"uid": one["uid"]} for one in self.sources.held.values()}
                return 200, {"buildInfo": {"version": self.release}, "datasources": shown}
            case "GET", ["search"]:
                return self.search(query)
            case "GET", ["folders", uid]:
                missing = {"message": "folder not found", "status": "not-found"}
                return (200, self.folders[uid]) if uid in self.folders else (404, missing)
            case "POST", ["folders"]:
                return self.make_folder(body)
            case "GET", ["dashboards", "uid", uid]:
                return self.show(uid)
            case "GET", ["dashboards", "uid", uid, "versions"] if uid in self.dashboards:
                made = [{"uid": uid, "version": n} for n in range(self.dashboards[uid]["version"], 0, -1)]
                return 200, {"continueToken": "", "versions": made[: int(query["limit"][0])]}
            case "POST", ["dashboards", "db"]:
                return self.save(body)
            case "DELETE", ["dashboards", "uid", uid]:
                return self.remove(uid)
            case _, ["datasources", *rest]:
                return self.sources.answer(method, rest, body)
            case _, ["v1", "provisioning", *rest]:
                return self.alerting.answer(method, rest, body, headers, self.folders)
        return NOT_FOUND

    def make_folder(self, body: Json) -> Answer:
        """Make a folder; the uid must be new and there must be a title."""
        uid, title = body.get("uid") or f"f{len(self.folders)}", body.get("title")
        if not title:
            return 400, {"message": "folder title cannot be empty"}
        if not UID.match(uid):
            return 400, {"message": "uid contains illegal characters"}
        if uid in self.folders:
            return 409, {"message": "a folder/dashboard with the same uid already exists"}
        self.writes.append(f"folder {uid}")
        rights = dict.fromkeys(("canSave", "canEdit", "canAdmin", "canDelete"), True)
        made = {"id": len(self.folders) + 1, "uid": uid, "title": title, "version": 1, "orgId": 1}
        self.folders[uid] = {**made, **rights, "url": f"/dashboards/f/{uid}/x", "hasAcl": False}
        return 200, self.folders[uid]

    def show(self, uid: str) -> Answer:
        """Return a dashboard with what is known about it."""
        if uid not in self.dashboards:
            return 404, {"message": "Dashboard not found"}
        if uid in self.newer:
            instead = f"/apis/dashboard.grafana.app/v2/namespaces/default/dashboards/{uid}"
            return 406, {"message": f"dashboard api version not supported, use {instead} instead"}
        home = self.homes[uid]
        meta = {
            "type": "db", "canSave": True, "slug": "x", "url": f"/d/{uid}/x", "isFolder": False,
            "folderUid": home, "folderTitle": self.folders.get(home, {}).get("title", "General"),
            "provisioned": uid in self.provisioned, "provisionedExternalId": "",
            "version": self.dashboards[uid]["version"],
        }  # fmt: skip
        return 200, {"meta": meta, "dashboard": self.dashboards[uid]}

    def save(self, body: Json) -> Answer:
        """Save a dashboard; without `overwrite` its version must be the present one."""
        dashboard = body.get("dashboard")
        if not isinstance(dashboard, dict) or len(body.get("message", "")) > 500:
            return 400, {"message": "bad request data"}
        uid, home = dashboard.get("uid", ""), body.get("folderUid", "")
        if not dashboard.get("title"):
            return 400, {"message": "Dashboard title cannot be empty", "status": "empty-name"}
        if not UID.match(uid):
            return 400, {"message": "uid contains illegal characters"}
        if home and home not in self.folders:
            return 400, {"message": "folder not found"}
        present = self.dashboards.get(uid)
        if present is None and dashboard.get("id"):
            return 404, {"message": "Dashboard not found", "status": "not-found"}
        if uid in self.provisioned:
            return 400, {"message": "Cannot save provisioned dashboard"}
        if present and not body.get("overwrite") and dashboard.get("version") != present["version"]:
            told = "The dashboard has been changed by someone else"
            return 412, {"message": told, "status": "version-mismatch"}
        twin = [
            other
            for other, one in self.dashboards.items()
            if other != uid and one["title"] == dashboard["title"] and self.homes[other] == home
        ]
        if self.unique_titles and twin:
            told = "A dashboard with the same name in the folder already exists"
            return 412, {"message": told, "status": "name-exists"}
        self.writes.append(f"dashboard {uid}")
        version = present["version"] + 1 if present else 1
        number = present["id"] if present else 40 + len(self.dashboards)
        # Grafana fills in what was left out, so a comparison must not expect its own text back.
        self.dashboards[uid] = {"weekStart": "", **dashboard, "id": number, "version": version}
        self.homes[uid] = home
        self.newer.discard(uid)
        told = {"id": number, "uid": uid, "url": f"/d/{uid}/x", "slug": "x", "folderUid": home}
        return 200, {"status": "success", "version": version, **told}

    def remove(self, uid: str) -> Answer:
        """Remove a dashboard."""
        if uid not in self.dashboards:
            return 404, {"message": "Dashboard not found"}
        if uid in self.provisioned:
            return 400, {"message": "provisioned dashboard cannot be deleted"}
        self.writes.append(f"removed dashboard {uid}")
        title = self.dashboards.pop(uid)["title"]
        return 200, {"title": title, "message": f"Dashboard {title} deleted", "uid": uid}

    def search(self, query: dict[str, list[str]]) -> Answer:
        """Return the dashboards that have all the tags, page by page."""
        limit = min(int(query.get("limit", ["1000"])[0]), 5000)
        page = int(query.get("page", ["1"])[0])
        hits = [
            {
                "id": one["id"], "uid": uid, "title": one["title"], "type": "dash-db", "isStarred": False,
                "tags": one.get("tags", []), "folderUid": self.homes[uid], "url": f"/d/{uid}/x",
            }
            for uid, one in sorted(self.dashboards.items(), key=lambda item: item[1]["title"])
            if set(query.get("tag", [])) <= set(one.get("tags", []))
            and uid in query.get("dashboardUIDs", [uid])
        ]  # fmt: skip
        return 200, hits[(page - 1) * limit : page * limit]


def forbidden(permission: str) -> Answer:
    """Return the refusal of what a token's role does not allow."""
    told = f"You'll need additional permissions to perform this action. Permissions needed: {permission}"
    return 403, {"accessErrorId": "ACE0000000000", "message": told, "title": "Access denied"}


@contextmanager
def running(*, prefix: str = "", tls: ssl.SSLContext | None = None) -> Iterator[Grafana]:
    """Serve a fresh Grafana on a free port, below a path if one is given."""
    grafana = Grafana(prefix=prefix)
    woken = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            if grafana.silent:
                woken.wait(30)
                return
            if grafana.redirect:
                self.reply(302, b"", "text/html", Location=grafana.redirect)
            elif grafana.page or not self.path.startswith(f"{prefix}/api/"):
                self.reply(
                    200, (grafana.page or "<!DOCTYPE html><title>Grafana</title>").encode(), "text/html"
                )
            else:
                target = self.path.removeprefix(prefix)
                status, found = grafana.answer(self.command, target, body, self.headers)
                if isinstance(found, str):
                    self.reply(status, found.encode(), "text/html" if found else "application/json")
                else:
                    text = b"" if status == 204 else json.dumps(found).encode()
                    self.reply(status, text, "application/json; charset=UTF-8")

        def reply(self, status: int, text: bytes, kind: str, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(text)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815  names of the standard library

        def log_message(self, *_: object) -> None:
            """Say nothing: tests read what was written, not the log."""

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Say nothing of clients that go in the middle of it."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    grafana.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}{prefix}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield grafana
    finally:
        woken.set()
        with contextlib.suppress(OSError):
            server.shutdown()
        server.server_close()
        thread.join()
