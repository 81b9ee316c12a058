"""What tells our things in a Grafana from everybody else's, and secrets that cannot be read back.

A tag alone would not do: people put `mlobs` on boards of their own so that ours link to them,
and a copy of a board keeps its tags. So only what has the mark and one of our uids is ours.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from mlobs.dashboards.links import PREFIX, TAG
from mlobs.dashboards.panels import Json

MANAGED_TAG = "mlobs:managed"  # Of dashboards.
MANAGED_LABEL = ("managed_by", "mlobs")  # Of alert rules.
MANAGED_KEY = "mlobsManaged"  # In the jsonData of data sources.
SEEN_KEY = "mlobsSecret"  # In the settings of data sources and contact points; the mark of their secret.
PUSHED = re.compile(r"mlobs:[0-9a-f]{8}[.]\d+")  # A tag of dashboards: what was pushed, as which version.
ALERTING = "Editor, or Admin before Grafana 11"  # The role that may write rules and contact points.
EDITABLE = (None, "", "api")  # Provenances of rules that this way of writing may change.

# Whoever may read a data source may read the mark of its secret, so each guess must be slow. That saves no
# secret that is a word: it should be random, 16 bytes or more, and nobody guesses it then.
_ROUNDS = 600_000
_SALT_BYTES, _HEX_DIGITS = 8, 16


def of_secret(secret: str, there: object = None) -> str:
    """Return what tells whether a secret is still the same; "" for no secret.

    Grafana never gives a secret back, so without a mark each push would have to write it again, or would miss
    that it changed.

    Args:
        secret: As it would be written now.
        there: The mark of the one that was written. It is returned where both are the same; otherwise the
            mark is a new one, with a salt of its own.
    """
    if not secret:
        return ""
    salt, _, digest = str(there or "").partition(".")
    if salt and digest and secrets.compare_digest(_digest(secret, salt), digest):
        return f"{salt}.{digest}"
    salt = secrets.token_hex(_SALT_BYTES)
    return f"{salt}.{_digest(secret, salt)}"


def _digest(secret: str, salt: str) -> str:
    made = hashlib.pbkdf2_hmac("sha256", secret.encode(), salt.encode(), _ROUNDS)
    return made.hex()[:_HEX_DIGITS]


def pushed(dashboard: Json, version: int) -> str:
    """Return the tag that says what was pushed, and as which version of the dashboard.

    Whoever edits a dashboard by hand makes another version, and what a newer release no longer has makes
    another digest. Fields alone would not tell: Grafana adds some, and so may people.
    """
    text = json.dumps(dashboard, sort_keys=True)
    return f"mlobs:{hashlib.sha256(text.encode()).hexdigest()[:8]}.{version}"


def without_pushed(tags: Iterable[Any]) -> list[Any]:
    """Return a dashboard's tags without that which says what was pushed."""
    return [tag for tag in tags if not PUSHED.fullmatch(str(tag))]


def is_our_board(uid: str, tags: Any) -> bool:
    """Tell whether a dashboard was brought by us and may be removed."""
    return uid.startswith(PREFIX) and {TAG, MANAGED_TAG} <= set(tags or ())


def is_our_rule(rule: Mapping[str, Any]) -> bool:
    """Tell whether an alert rule was brought by us."""
    name, value = MANAGED_LABEL
    labels: Json = rule.get("labels") or {}
    return str(rule.get("uid", "")).startswith(PREFIX) and labels.get(name) == value
