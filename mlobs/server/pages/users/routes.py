"""The page of users, and of one."""

import time

from starlette.requests import Request
from starlette.responses import Response

from mlobs.errors import PayloadError
from mlobs.server.ask import asked
from mlobs.server.pages.handling import message, page, parameters
from mlobs.server.pages.links import address, term
from mlobs.server.pages.period import NAMES, read_period
from mlobs.server.pages.rendering import render
from mlobs.server.pages.sessions import asking, view
from mlobs.server.pages.sessions.routes import BEGUN, LIVE_SECONDS, ONE_SINCE, shown_list
from mlobs.server.store import Store

PATH, ONE = "/users", "/user"
SESSIONS_MAX = 100


def show(request: Request) -> Response:
    """GET /users: who asks, how often, what it costs, and for whom it fails."""
    return shown_list(request, "user", PATH)


def show_one(request: Request) -> Response:
    """GET /user: one user, with the sessions."""
    given = parameters(request, ("id", *NAMES))
    name = asked.checked("id", given.get("id", ""))
    if not name:
        raise PayloadError("No id came; the id of a user was expected, as in /user?id=NAME.")
    ranged = {"from", "since"} & given.keys()
    period = read_period(given if ranged else {**given, "since": ONE_SINCE}, time.time_ns())
    store: Store = request.app.state.store
    found = asking.traces(store, "user", [name], period.range)
    sums = asking.listed(store, found)
    if not sums:
        return message(
            request,
            404,
            "No such user here",
            f"No span of the user {name[:80]!r} began in the {period.label}.",
            checks=("A longer range may have them: add since=90d to the address.", "The id is user.id."),
        )
    [summary] = sums
    theirs = asking.sessions_of(store, found)
    sessions = asking.listed(store, theirs, begun=asking.newest(theirs)[:BEGUN])
    sessions.sort(key=lambda row: (-row["end_ns"], row["id"]))
    return render(
        request,
        "user.html",
        section="sessions",
        path=ONE,
        given=given,
        name=name,
        period=period,
        live_s=LIVE_SECONDS,
        summary=summary,
        rows=sessions[:SESSIONS_MAX],
        left=len(sessions) - SESSIONS_MAX,
        traces=address("/traces", period.given, q=term("user", name)),
        failing=address("/traces", period.given, q=f"{term('user', name)} status:error"),
        dear=address("/traces", period.given, q=f"{term('user', name)} cost>0", sort="dearest"),
        session_address=view.session_address,
    )


ROUTES = (page(PATH, show), page(ONE, show_one))
