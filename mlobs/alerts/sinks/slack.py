"""Lays a message out for an incoming webhook of Slack."""

from typing import Any

from mlobs.alerts.sinks.escaping import slack
from mlobs.alerts.sinks.template import fill
from mlobs.alerts.sinks.told import Told

GAP_S = 1.0  # Slack takes one message a second.
SECTION_CHARACTERS_MAX = 3000
FIELD_CHARACTERS_MAX = 2000
FIELDS_MAX = 10  # Of a section.
COLOURS = {"critical": "#c4314b", "warning": "#d98e04", "info": "#3b78c2"}
RESOLVED = "#2e8540"


def for_slack(told: Told, *, title: str | None = None, text: str | None = None) -> dict[str, Any]:
    """Return what Slack is sent.

    Args:
        told: The message.
        title: A template instead of the headline.
        text: A template instead of the description.
    """
    head = slack(told.headline) if title is None else fill(title, told, slack)
    rest = slack(told.text) if text is None else fill(text, told, slack)
    blocks = [_section(f"*{_whole(head, SECTION_CHARACTERS_MAX - 2)}*")]
    blocks += [_section(rest)] if rest else []
    if told.alerts:
        blocks.append(_section("\n".join(f"• {slack(one)}" for one in told.listed)))
    facts = [f"*{slack(name)}*\n{slack(value)}" for name, value in told.facts.items()]
    for start in range(0, len(facts), FIELDS_MAX):
        some = facts[start : start + FIELDS_MAX]
        blocks.append({"type": "section", "fields": [_text(one, FIELD_CHARACTERS_MAX) for one in some]})
    links = " · ".join(f"<{slack(url)}|{slack(name)}>" for name, url in told.links.items())
    foot = " · ".join(part for part in (links, f"`{slack(told.mark)}`") if part)
    blocks.append({"type": "context", "elements": [_text(foot, SECTION_CHARACTERS_MAX)]})
    severity = "warning" if told.resolved else told.field("severity")
    colour = RESOLVED if told.is_well else COLOURS.get(severity, COLOURS["warning"])
    # `text` is what a telephone shows; in attachments the blocks have a coloured bar.
    return {
        "text": _whole(head, SECTION_CHARACTERS_MAX),
        "attachments": [{"color": colour, "blocks": blocks}],
    }


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _text(text, SECTION_CHARACTERS_MAX)}


def _text(text: str, characters_max: int) -> dict[str, Any]:
    # verbatim: an address or a channel's name in a label does not become a link.
    return {"type": "mrkdwn", "text": _whole(text, characters_max), "verbatim": True}


def _whole(text: str, characters_max: int) -> str:
    """Return escaped text, cut, but never within an escape or a link.

    >>> _whole("ab &amp; c", 7), _whole("x <https://a|b>", 8)
    ('ab …', 'x …')
    """
    if len(text) <= characters_max:
        return text
    kept = text[: characters_max - 1]
    for opening, closing in (("&", ";"), ("<", ">")):
        at = kept.rfind(opening)
        if at >= 0 and closing not in kept[at:]:
            kept = kept[:at]
    return kept + "…"
