"""Data sources of the tests' Grafana: what it holds, and how it refuses."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Answer = tuple[int, Any]
TAKEN = (
    "name", "type", "access", "url", "user", "database", "basicAuth", "basicAuthUser", "withCredentials",
    "isDefault", "jsonData", "uid",
)  # fmt: skip
REQUIRED = ("name", "type", "access")


@dataclass
class DataSources:
    """By uid; secrets apart, as they never come back."""

    held: dict[str, Json] = field(default_factory=dict)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    read_only: set[str] = field(default_factory=set)

    def answer(self, method: str, steps: list[str], body: Any) -> Answer:
        """Return the status and the body; addresses with numbers are off."""
        match method, steps:
            case "GET", []:
                kept = {"version", "secureJsonFields"}
                shown = [{k: v for k, v in self.shown(uid).items() if k not in kept} for uid in self.held]
                return 200, shown
            case "GET", ["uid", uid]:
                missing = {"message": "Data source not found", "messageId": "", "traceID": ""}
                return (200, self.shown(uid)) if uid in self.held else (404, missing)
            case "POST", []:
                return self.add(body)
            case "PUT", ["uid", uid]:
                return self.change(uid, body)
        return 404, {"message": "Not found"}

    def shown(self, uid: str) -> Json:
        """Return what may be seen."""
        fields = {name: True for name, secret in self.secrets.get(uid, {}).items() if secret}
        return {**self.held[uid], "secureJsonFields": fields, "readOnly": uid in self.read_only}

    def add(self, body: Json) -> Answer:
        """Add one; its name and its uid must be new."""
        if any(not body.get(name) for name in REQUIRED):
            return 400, {"message": "bad request data"}
        if any(one["name"] == body["name"] for one in self.held.values()):
            return 409, {"message": "data source with the same name already exists"}
        uid = body.get("uid") or f"d{len(self.held)}"
        if uid in self.held:
            return 409, {"message": "data source with the same uid already exists"}
        return self.keep(uid, body, 1, len(self.held) + 1, "Datasource added")

    def change(self, uid: str, body: Json) -> Answer:
        """Change one; what is not sent goes, but for secrets, which stay."""
        if any(not body.get(name) for name in REQUIRED):
            return 400, {"message": "bad request data"}
        if uid not in self.held:
            return 404, {"message": "Data source not found"}
        if uid in self.read_only:
            return 403, {"message": "Cannot update read-only data source"}
        present = self.held[uid]
        if body.get("version") and body["version"] != present["version"]:
            told = "Datasource has already been updated by someone else. Please reload and try again"
            return 409, {"message": told}
        if any(one["name"] == body["name"] for other, one in self.held.items() if other != uid):
            return 409, {
                "message": "Failed to update datasource: data source with the same name already exists"
            }
        return self.keep(uid, body, present["version"] + 1, present["id"], "Datasource updated")

    def keep(self, uid: str, body: Json, version: int, number: int, told: str) -> Answer:
        """Hold it under the next version."""
        defaults: Json = {
            "user": "", "database": "", "basicAuth": False, "basicAuthUser": "", "withCredentials": False,
            "isDefault": False, "url": "", "jsonData": {},
        }  # fmt: skip
        taken = {key: body[key] for key in TAKEN if key in body}
        own = {"id": number, "uid": uid, "orgId": 1, "version": version, "typeLogoUrl": "public/x.svg"}
        self.held[uid] = {**defaults, **taken, **own}
        self.secrets[uid] = {**self.secrets.get(uid, {}), **(body.get("secureJsonData") or {})}
        return 200, {"message": told, "id": number, "name": body["name"], "datasource": self.shown(uid)}
