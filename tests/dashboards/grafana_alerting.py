"""Alert rules and contact points of the tests' Grafana: what it holds, and how it refuses."""

import copy
import re
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Answer = tuple[int, Any]
RULE = {
    "uid", "orgID", "folderUID", "ruleGroup", "title", "condition", "data", "noDataState", "execErrState",
    "for", "keep_firing_for", "annotations", "labels", "isPaused", "notification_settings", "record",
    "missingSeriesEvalsToResolve",
}  # fmt: skip
NO_DATA = {"NoData", "Alerting", "OK", "KeepLast"}
FAILED = {"Error", "Alerting", "OK", "KeepLast"}
LATE = {"keep_firing_for", "missingSeriesEvalsToResolve"}  # Releases before 11.6 drop them.
UID = re.compile(r"[A-Za-z0-9_-]{1,40}\Z")
LENGTH = re.compile(r"(?=.)(\d+[wdhms]|\d+ms)*0?s?\Z")
REDACTED = "[REDACTED]"
BASE_S = 10


@dataclass
class Alerting:
    """Rules and contact points by uid, with their provenance."""

    rules: dict[str, Json] = field(default_factory=dict)
    intervals: dict[tuple[str, str], int] = field(default_factory=dict)
    contacts: dict[str, Json] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    old: bool = False
    ignored: set[str] = field(default_factory=set)  # Fields that were sent and that it does not know.

    def answer(self, method: str, steps: list[str], body: Any, headers: Any, folders: Any) -> Answer:
        """Return the status and the body."""
        asked = "" if headers.get("X-Disable-Provenance") is not None else "api"
        match method, steps:
            case "GET", ["alert-rules"]:
                return 200, [self.shown(uid) for uid in self.rules]
            case "GET", ["folder", folder, "rule-groups", group]:
                return self.show_group(folder, group)
            case "PUT", ["folder", folder, "rule-groups", group]:
                return self.replace_group(folder, group, body, asked, folders)
            case "DELETE", ["alert-rules", uid]:
                return self.remove_rule(uid, asked)
            case "GET", ["contact-points"]:
                return 200, [self.shown_contact(uid) for uid in self.contacts]
            case "POST", ["contact-points"]:
                return self.add_contact(body, asked)
            case "PUT", ["contact-points", uid]:
                return self.change_contact(uid, body, asked)
        return 404, {"message": "Not found"}

    def shown(self, uid: str) -> Json:
        """Return a rule as it comes back: provenance only where there is one."""
        rule = copy.deepcopy(self.rules[uid])
        if self.provenance.get(uid):
            rule["provenance"] = self.provenance[uid]
        return rule

    def members(self, folder: str, group: str) -> list[str]:
        """Return the uids of a group's rules."""
        return [u for u, r in self.rules.items() if (r["folderUID"], r["ruleGroup"]) == (folder, group)]

    def show_group(self, folder: str, group: str) -> Answer:
        """Return a group; one without rules is not there."""
        uids = self.members(folder, group)
        if not uids:
            told = {"message": "", "messageId": "alerting.alert-rule.notFound", "statusCode": 404}
            return 404, {**told, "traceID": ""}
        rules = [self.shown(uid) for uid in uids]
        interval = self.intervals[(folder, group)]
        return 200, {"title": group, "folderUid": folder, "interval": interval, "rules": rules}

    def replace_group(self, folder: str, group: str, body: Json, asked: str, folders: Any) -> Answer:
        """Make a group what was sent: what was not sent is deleted, all or nothing."""
        if folder not in folders:
            return 404, {"message": "folder not found", "status": "not-found"}
        interval, sent = body.get("interval"), body.get("rules", [])
        if not isinstance(interval, int) or interval <= 0 or interval % BASE_S:
            told = f"interval ({interval}) should be non-zero and divided exactly by scheduler interval: 10"
            return invalid(told)
        for rule in sent:
            if problem := self.problem(rule, [other for other in sent if other is not rule]):
                return invalid(problem)
        uids = [rule.get("uid") or f"r{len(self.rules)}" for rule in sent]
        gone = [uid for uid in self.members(folder, group) if uid not in uids]
        for uid in (*gone, *uids):
            stored = self.provenance.get(uid, "")
            if uid in self.rules and stored not in ("", asked) and not (stored == "api" and not asked):
                return mismatch(asked, stored)
        titles = {rule["title"] for rule in sent}
        for uid, rule in self.rules.items():
            if uid not in (*uids, *gone) and rule["folderUID"] == folder and rule["title"] in titles:
                return 400, {"message": "rule title under the same organisation and folder should be unique"}
        for uid in gone:
            del self.rules[uid]
        for uid, rule in zip(uids, sent, strict=True):
            self.keep(uid, rule, folder, group, asked)
        self.intervals[(folder, group)] = interval
        return 200, {**body, "title": group, "folderUid": folder}

    def problem(self, rule: Json, others: list[Json]) -> str:
        """Return what is wrong with a rule, or ""."""
        refs = [step.get("refId") for step in rule.get("data", [])]
        lengths = (rule.get("for", "0s"), rule.get("keep_firing_for", "0s"))
        checks = {
            "title is empty": not rule.get("title"),
            "uid is not valid": bool(rule.get("uid")) and not UID.match(rule["uid"]),
            "uid is not unique": any(rule.get("uid") == other.get("uid") for other in others),
            "no queries or expressions are found": not refs,
            "refID is not unique": len(set(refs)) != len(refs),
            f"condition {rule.get('condition')} does not exist": rule.get("condition") not in refs,
            "data source UID is empty": not all(step.get("datasourceUid") for step in rule.get("data", [])),
            "unknown state option for no data": rule.get("noDataState") not in NO_DATA,
            "unknown state option for errors": rule.get("execErrState") not in FAILED,
            "not a valid duration string": not all(LENGTH.match(str(length)) for length in lengths),
            "labels must be texts": not texts(rule.get("labels")) or not texts(rule.get("annotations")),
            "organisation is missing": not rule.get("orgID"),
        }
        return next((text for text, wrong in checks.items() if wrong), "")

    def keep(self, uid: str, rule: Json, folder: str, group: str, asked: str) -> None:
        """Hold a rule with the defaults that Grafana adds, under the next version."""
        known = RULE - LATE if self.old else RULE
        self.ignored |= rule.keys() - known
        defaults: Json = {"isPaused": False, "notification_settings": None, "record": None}
        if not self.old:
            defaults["keep_firing_for"] = "0s"
        kept = {**defaults, **{key: copy.deepcopy(value) for key, value in rule.items() if key in known}}
        for step in kept["data"]:
            step.setdefault("queryType", "")
            step["model"].setdefault("intervalMs", 1000)
            step["model"].setdefault("maxDataPoints", 43200)
        self.versions[uid] = self.versions.get(uid, 0) + 1
        own = {"id": len(self.rules) + 1, "uid": uid, "orgID": 1, "folderUID": folder, "ruleGroup": group}
        self.rules[uid] = {**kept, **own, "updated": f"2026-01-01T00:00:{self.versions[uid]:02d}Z"}
        self.provenance[uid] = asked

    def remove_rule(self, uid: str, asked: str) -> Answer:
        """Remove a rule; one that is not there is no error."""
        if self.provenance.get(uid, "") not in ("", asked):
            return mismatch(asked, self.provenance[uid])
        self.rules.pop(uid, None)
        return 204, ""

    def shown_contact(self, uid: str) -> Json:
        """Return a contact point without its secrets."""
        contact = copy.deepcopy(self.contacts[uid])
        if contact["settings"].get("hmacConfig", {}).get("secret"):
            contact["settings"]["hmacConfig"]["secret"] = REDACTED
        return {**contact, "provenance": self.provenance.get(uid, "")}

    def add_contact(self, body: Json, asked: str) -> Answer:
        """Add a contact point; one of the same name gets a second integration."""
        uid = body.get("uid") or f"c{len(self.contacts)}"
        if uid in self.contacts:
            return 409, {"message": f"receiver configuration with UID '{uid}' already exist"}
        if problem := unfit(body):
            return 400, {"message": f"invalid object specification: {problem}", "traceID": ""}
        self.hold_contact(uid, body, asked)
        return 202, self.shown_contact(uid)

    def change_contact(self, uid: str, body: Json, asked: str) -> Answer:
        """Change a contact point; a secret sent as [REDACTED] stays."""
        if uid not in self.contacts:
            return 404, {"message": f"object not found: contact point with uid '{uid}' not found"}
        stored = self.provenance.get(uid, "")
        if stored not in ("", asked):
            return 409, {"message": f"cannot changed provenance from '{stored}' to '{asked}'"}
        if problem := unfit(body):
            return 400, {"message": f"invalid object specification: {problem}", "traceID": ""}
        body = copy.deepcopy(body)
        hmac = body["settings"].get("hmacConfig", {})
        if hmac.get("secret") == REDACTED:
            hmac["secret"] = self.contacts[uid]["settings"]["hmacConfig"]["secret"]
        self.hold_contact(uid, body, asked)
        return 202, {"message": "contactpoint updated"}

    def hold_contact(self, uid: str, body: Json, asked: str) -> None:
        """Hold it under the next version."""
        self.versions[uid] = self.versions.get(uid, 0) + 1
        self.provenance[uid] = asked
        kept = {key: copy.deepcopy(body[key]) for key in ("name", "type", "settings")}
        self.contacts[uid] = {
            **kept,
            "uid": uid,
            "disableResolveMessage": body.get("disableResolveMessage", False),
        }


def unfit(body: Json) -> str:
    """Return what is wrong with a contact point, or ""."""
    settings = body.get("settings") or {}
    hmac = settings.get("hmacConfig")
    checks = {
        "name is empty": not body.get("name"),
        "required field 'url' is not specified": not settings.get("url"),
        "HMAC secret must be specified": hmac is not None and not hmac.get("secret"),
        "header values must be texts": not texts(settings.get("headers")),
    }
    return next((text for text, wrong in checks.items() if wrong), "")


def texts(mapping: Any) -> bool:
    """Tell whether every value is a text."""
    return all(isinstance(value, str) for value in (mapping or {}).values())


def invalid(problem: str) -> Answer:
    """Return the refusal of a rule."""
    return 400, {"message": f"invalid alert rule: {problem}", "traceID": ""}


def mismatch(asked: str, stored: str) -> Answer:
    """Return the refusal of what was made by other means."""
    told = f"cannot update with provided provenance '{asked}', needs '{stored}'"
    return 409, {
        "message": told,
        "messageId": "alerting.provenanceMismatch",
        "statusCode": 409,
        "traceID": "",
    }
