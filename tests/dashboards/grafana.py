"""A Grafana for tests: the routes that pushing uses, with Grafana's own refusals.

Answers have the shapes of Grafana's HTTP API: folders by uid, dashboards with their `meta`, a
new version on each write, 412 with `version-mismatch` or `name-exists`, 401, 404.
"""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Grafana:
    """What the server holds, and every write it was sent."""

    token: str = "glsa_test"
    folders: dict[str, dict[str, Any]] = field(default_factory=dict)
    dashboards: dict[str, dict[str, Any]] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        """Return the status and the body for one request."""
        match method, path.split("/")[1:]:
            case "GET", ["api", "folders", uid]:
                found = self.folders.get(uid)
                return (200, found) if found else (404, {"message": "folder not found"})
            case "POST", ["api", "folders"]:
                return self.make_folder(body or {})
            case "GET", ["api", "dashboards", "uid", uid]:
                if uid not in self.dashboards:
                    return 404, {"message": "Dashboard not found"}
                meta = {"provisioned": False, "folderUid": self.homes[uid]}
                return 200, {"meta": meta, "dashboard": self.dashboards[uid]}
            case "POST", ["api", "dashboards", "db"]:
                return self.save(body or {})
        return 404, {"message": "Not found"}

    def make_folder(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Make a folder; the uid must be new and there must be a title."""
        if not body.get("title"):
            return 400, {"message": "folder title cannot be empty"}
        if body["uid"] in self.folders:
            return 412, {
                "message": "the folder has been changed by someone else",
                "status": "version-mismatch",
            }
        self.writes.append(f"folder {body['uid']}")
        self.folders[body["uid"]] = {"id": 1, "uid": body["uid"], "title": body["title"], "version": 1}
        return 200, self.folders[body["uid"]]

    def save(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Save a dashboard; without `overwrite` its version must be the present one."""
        dashboard = body["dashboard"]
        uid, present = dashboard["uid"], self.dashboards.get(dashboard["uid"])
        if body.get("folderUid") not in self.folders:
            return 400, {"message": "folder not found", "status": "not-found"}
        if present is None and dashboard.get("id") is not None:
            return 404, {"message": "Dashboard not found", "status": "not-found"}
        if (
            present is not None
            and not body.get("overwrite")
            and dashboard.get("version") != present["version"]
        ):
            return 412, {
                "message": "The dashboard has been changed by someone else",
                "status": "version-mismatch",
            }
        self.writes.append(f"dashboard {uid}")
        version = 1 if present is None else present["version"] + 1
        # Grafana fills in what was left out, so a comparison must not expect its own text back.
        self.dashboards[uid] = {
            **dashboard,
            "id": 40 + len(self.dashboards),
            "version": version,
            "weekStart": "",
        }
        self.homes[uid] = body["folderUid"]
        return 200, {
            "id": self.dashboards[uid]["id"],
            "uid": uid,
            "url": f"/d/{uid}/x",
            "status": "success",
            "version": version,
        }


@contextmanager
def running() -> Iterator[Grafana]:
    """Serve a fresh Grafana on a free port."""
    grafana = Grafana()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            if self.headers.get("Authorization") != f"Bearer {grafana.token}":
                status, found = 401, {"message": "Invalid API key"}
            else:
                status, found = grafana.answer(self.command, self.path, body)
            text = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815  names of the standard library

        def log_message(self, *_: object) -> None:
            """Say nothing: tests read what was written, not the log."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    grafana.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield grafana
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
