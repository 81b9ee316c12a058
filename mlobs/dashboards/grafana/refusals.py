"""What a refusal of Grafana means, and what to do about it, in one sentence."""

from typing import Any

WORDS_MAX = 300
ADVICE = {
    400: "Its word says what it does not take; is this Grafana older than 10?",
    401: "The token is unknown or expired: make one for a service account with the role Editor.",
    404: "Is --url the address that you open in a browser, up to the part before /d/ or /dashboards?",
    408: "Try again, with a larger --timeout.",
    409: "Something has that name, or changed meanwhile: rename it in Grafana, or push again.",
    413: "Something in front of Grafana takes no request this large: raise its limit.",
    422: "Grafana read it and found it invalid; is it older than 10?",
    429: "It is asked too often: wait a minute and try again.",
}
CONFLICTS = {
    "version-mismatch": "Somebody changed it meanwhile: look with mlobs dashboards diff, and push again.",
    "name-exists": "The folder has another dashboard of this title: rename or move that one, and push again.",
    "plugin-dashboard": "A plugin owns it: remove it there, or give ours another uid.",
}


def refusal(url: str, doing: str, status: int, body: Any, *, role: str) -> str:
    """Return the sentence about an answer that is not a success.

    Args:
        url: Of the Grafana.
        doing: What was asked for, such as "read the folder 'mlobs'".
        status: Of the answer.
        body: As parsed; a text where it was not JSON.
        role: What a token must be allowed to do it.
    """
    told = f"The Grafana at {url} would not {doing}: {status} {word(body)}."
    return f"{told} {advice(status, body, role)}".rstrip()


def word(body: Any) -> str:
    """Return what an answer says, short, on one line and never a page of HTML."""
    if isinstance(body, dict):
        body = body.get("message") or body.get("title") or body.get("messageId") or ""
    text = " ".join(str(body or "").split())
    if text.startswith("<"):
        return "with an HTML page"
    return text.rstrip(".")[:WORDS_MAX] or "without a word"


def advice(status: int, body: Any, role: str) -> str:
    """Return what to do about a status."""
    if isinstance(body, str) and body.lstrip().startswith("<"):
        return "That is a proxy or a login page speaking, not Grafana: give an address that reaches its API."
    if status == 403:
        return f"The token may not do this: give its service account the role {role}."
    if status == 412:
        named = body.get("status") if isinstance(body, dict) else None
        return CONFLICTS.get(str(named), CONFLICTS["version-mismatch"])
    if status >= 500:
        return "That is a fault of Grafana or of what is before it: look into its log, and push again."
    return ADVICE.get(status, "")
