"""Lays a message out as an adaptive card for a workflow of Microsoft Teams.

Office 365 connectors are no more; a workflow ("when a Teams webhook request is received") takes
this envelope. Text in a card is Markdown, so every value is escaped. Teams refuses a message of more than
28 kB, and labels of strangers may be long: what matters least is left out until it fits.
"""

import json
from typing import Any

from mlobs.alerts.sinks.escaping import cut, markdown
from mlobs.alerts.sinks.template import fill
from mlobs.alerts.sinks.told import Told

CARD = "application/vnd.microsoft.card.adaptive"
TEXT_CHARACTERS_MAX = 4000
BYTES_MAX = 27_000
FACTS_MIN, ALERTS_MIN, TEXT_CHARACTERS_MIN = 4, 3, 500
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
    shown = [{"title": markdown(name), "value": markdown(value)} for name, value in told.facts.items()]
    alerts = [f"- {markdown(one)}" for one in told.alerts]
    characters, links = TEXT_CHARACTERS_MAX, list(told.links.items())[:ACTIONS_MAX]
    while True:
        card = _card(told, head, (rest, characters), (alerts, told.more), shown, links)
        if len(json.dumps(card, ensure_ascii=False).encode("utf-8", "replace")) <= BYTES_MAX:
            return card
        if len(shown) > FACTS_MIN:
            shown.pop()
        elif links:
            links.pop()
        elif characters > TEXT_CHARACTERS_MIN:
            characters //= 2
        elif len(alerts) > ALERTS_MIN:
            alerts.pop()
        else:  # Nothing that is left is long.
            return card


def _card(
    told: Told,
    head: str,
    text: tuple[str, int],
    listed: tuple[list[str], int],
    facts: list[dict[str, str]],
    links: list[tuple[str, str]],
) -> dict[str, Any]:
    rest, characters_max = text
    alerts, more = listed
    severity = "warning" if told.resolved else told.field("severity")
    colour = "Good" if told.is_well else COLOURS.get(severity, "Warning")
    body: list[dict[str, Any]] = [
        {**_block(head, characters_max), "size": "Large", "weight": "Bolder", "color": colour}
    ]
    # One line end is a space in Markdown; two are a paragraph.
    body += [_block(rest.replace("\n", "\n\n"), characters_max)] if rest else []
    if alerts:
        more += len(told.alerts) - len(alerts)
        body.append(_block("\n".join([*alerts, *([f"- and {more} more"] if more else [])])))
    mark = {"title": "fingerprint", "value": markdown(told.mark)}
    body.append({"type": "FactSet", "facts": [*facts, mark]})
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": name, "url": url} for name, url in links],
    }
    return {"type": "message", "attachments": [{"contentType": CARD, "contentUrl": None, "content": card}]}


def _block(text: str, characters_max: int = TEXT_CHARACTERS_MAX) -> dict[str, Any]:
    return {"type": "TextBlock", "text": _whole(text, characters_max), "wrap": True}


def _whole(text: str, characters_max: int) -> str:
    """Return escaped text, cut, but never between a backslash and what it escapes."""
    shown = cut(text, characters_max)
    if shown == text:
        return text
    kept = shown[:-1]
    slashes = len(kept) - len(kept.rstrip("\\"))
    return (kept[:-1] if slashes % 2 else kept) + "…"
