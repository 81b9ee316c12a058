"""Lays a message out as an adaptive card for a workflow of Microsoft Teams.

Office 365 connectors are no more; a workflow ("when a Teams webhook request is received") takes
this envelope. Text in a card is Markdown, so every value is escaped.
"""

from typing import Any

from mlobs.alerts.sinks.escaping import cut, markdown
from mlobs.alerts.sinks.template import fill
from mlobs.alerts.sinks.told import Told

CARD = "application/vnd.microsoft.card.adaptive"
TEXT_CHARACTERS_MAX = 4000  # Teams refuses messages of more than 28 kB.
ACTIONS_MAX = 6  # More are hidden.
COLOURS = {"critical": "Attention", "warning": "Warning", "info": "Accent"}


def for_teams(told: Told, *, title: str | None = None, text: str | None = None) -> dict[str, Any]:
    """Return what Teams is sent.

    Args:
        told: The message.
        title: A template instead of the headline.
        text: A template instead of the description.
    """
    head = markdown(told.headline) if title is None else fill(title, told, markdown)
    rest = markdown(told.text) if text is None else fill(text, told, markdown)
    colour = "Good" if told.resolved else COLOURS.get(told.field("severity"), "Warning")
    body: list[dict[str, Any]] = [{**_block(head), "size": "Large", "weight": "Bolder", "color": colour}]
    # One line end is a space in Markdown; two are a paragraph.
    body += [_block(rest.replace("\n", "\n\n"))] if rest else []
    if told.alerts:
        more = [f"and {told.more} more"] if told.more else []
        body.append(_block("\n".join(f"- {markdown(one)}" for one in (*told.alerts, *more))))
    facts = {**told.facts, "fingerprint": told.field("fingerprint")}
    shown = [{"title": markdown(name), "value": markdown(value)} for name, value in facts.items()]
    body.append({"type": "FactSet", "facts": shown})
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
        "actions": [
            {"type": "Action.OpenUrl", "title": name, "url": url}
            for name, url in list(told.links.items())[:ACTIONS_MAX]
        ],
    }
    return {"type": "message", "attachments": [{"contentType": CARD, "contentUrl": None, "content": card}]}


def _block(text: str) -> dict[str, Any]:
    return {"type": "TextBlock", "text": _whole(text), "wrap": True}


def _whole(text: str) -> str:
    """Return escaped text, cut, but never between a backslash and what it escapes."""
    shown = cut(text, TEXT_CHARACTERS_MAX)
    if shown == text:
        return text
    kept = shown[:-1]
    slashes = len(kept) - len(kept.rstrip("\\"))
    return (kept[:-1] if slashes % 2 else kept) + "…"
