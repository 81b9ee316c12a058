"""The pages of alerts, of a house and without a server."""

import re
from types import SimpleNamespace

from starlette.requests import Request

from mlobs.server.access.guard import Caller


def shown(house, show, query="", **path):
    """Return a page as it is, and as text.

    Args:
        house: Has the alerts.
        show: The page.
        query: Of its address.
        path: The parts of its address.
    """
    tells = {
        "alerts": lambda: {**house.alerting.snapshot(), "elsewhere": 0},
        "alerts_past": house.alerting.past,
        "alert": lambda *about, **_: house.alerting.close_up(*about, with_values=False),
    }
    request = Request(
        {
            "type": "http", "method": "GET", "path": "/alerts", "query_string": query.encode(), "headers": [],
            "server": ("localhost", 80), "scheme": "http", "path_params": path,
            "app": SimpleNamespace(state=SimpleNamespace(tells=tells, store=None)),
            "state": {"caller": Caller("", frozenset())},
        }
    )  # fmt: skip
    html = show(request).body.decode()
    return html, " ".join(re.sub("<[^>]*>", " ", html).split())
