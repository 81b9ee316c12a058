"""What the forms of the alerts' pages do: silence, take an alert on, end it, put dead letters back.

They work without scripts: a form is answered with the page it came from, or with a page that says what is
wrong with it.
"""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mlobs.cli.alerts.bodies import read_body, read_form
from mlobs.errors import PayloadError, StoreError
from mlobs.server.access.routes import GuardedRoute, route
from mlobs.server.access.scopes import ADMIN
from mlobs.server.pages.handling import busy, message
from mlobs.server.pages.headers import HEADERS

if TYPE_CHECKING:
    from mlobs.alerts.alerting import Alerting

PAGES = "/alerts"
Act = Callable[["Alerting", Mapping[str, str], Request], object]


def form_routes(alerting: "Callable[[], Alerting | None]") -> list[GuardedRoute]:
    """Return the routes.

    Args:
        alerting: Returns whose alerts they are; None while the server is starting.
    """

    def form(path: str, act: Act) -> GuardedRoute:
        async def take(request: Request) -> Response:
            found = alerting()
            if found is None:
                return busy(request, StoreError("The server is starting."))
            try:
                given = read_form(await read_body(request, "a form of the page Alerts was wanted"))
                await run_in_threadpool(act, found, given, request)
            except PayloadError as error:
                return message(
                    request, 400, "This was not done", str(error), checks=("Go back and change the form.",)
                )
            except StoreError as error:
                return busy(request, error)
            return RedirectResponse(_inside(given.get("next", "")), 303, headers=dict(HEADERS))

        return route(path, take, scope=ADMIN, methods=["POST"])

    return [
        form(f"{PAGES}/silences", _silence),
        form(f"{PAGES}/silences/{{silence_id}}/end", _end),
        form(f"{PAGES}/taken", _take_on),
        form(f"{PAGES}/ended", _end_alert),
        form(f"{PAGES}/redrive", _redrive),
    ]


def _silence(found: "Alerting", given: Mapping[str, str], _: Request) -> object:
    wanted: dict[str, Any] = {name: given[name] for name in ("for", "until", "who", "why") if given.get(name)}
    if "until" in wanted:  # Who gives a time means it, whatever length was chosen before.
        wanted.pop("for", None)
    matchers = [line.strip() for line in given.get("matchers", "").splitlines() if line.strip()]
    return found.silencing.silence({**wanted, "matchers": matchers})


def _end(found: "Alerting", given: Mapping[str, str], request: Request) -> object:
    return found.silencing.end(request.path_params["silence_id"], given.get("who", ""))


def _take_on(found: "Alerting", given: Mapping[str, str], _: Request) -> object:
    names = ("source", "fingerprint", "started", "who", "note")
    return found.silencing.take_on({name: given[name] for name in names if given.get(name)})


def _end_alert(found: "Alerting", given: Mapping[str, str], _: Request) -> object:
    names = ("source", "fingerprint", "who", "why")
    return found.by_hand.end({name: given[name] for name in names if given.get(name)})


def _redrive(found: "Alerting", given: Mapping[str, str], _: Request) -> object:
    wanted: dict[str, Any] = {"ids": [given["id"]]} if given.get("id") else {}
    if given.get("sink"):
        wanted["sink"] = given["sink"]
    return found.desk.redrive(json.dumps({**wanted, "overtaken": bool(given.get("id"))}).encode())


def _inside(wanted: str) -> str:
    """Return the page to show next: one of the alerts'.

    >>> _inside("/alerts/mlobs/ab12"), _inside("//elsewhere"), _inside("")
    ('/alerts/mlobs/ab12', '/alerts', '/alerts')
    """
    inside = wanted == PAGES or wanted.startswith((f"{PAGES}/", f"{PAGES}?", f"{PAGES}#"))
    return wanted if inside and wanted.isprintable() else PAGES
