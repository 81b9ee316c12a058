"""The page of sessions, and of one."""

import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from mlobs.errors import PayloadError, QueryError
from mlobs.server.ask import asked, listing
from mlobs.server.ask.asked import Given
from mlobs.server.ask.cursors import read_cursor
from mlobs.server.ask.statements import CALLS
from mlobs.server.pages.beginning import begun
from mlobs.server.pages.handling import is_busy, message, page, parameters
from mlobs.server.pages.links import address, term
from mlobs.server.pages.period import NAMES, Period, read_period
from mlobs.server.pages.rendering import render
from mlobs.server.pages.sessions import asking, statements, view
from mlobs.server.pages.sessions.conversation import turns
from mlobs.server.store import Store

PATH, ONE = "/sessions", "/session"
KNOWN = ("q", *NAMES, "sort", "cursor", "limit")
SORTS = ("newest", *statements.ORDERS)
ROWS, ROWS_MAX = 50, 200
ONE_SINCE = "30d"
TURNS, TURN_CHARACTERS, SCORES_MAX = 20, 200_000, 2_000
LIVE_SECONDS, LIST_LIVE_SECONDS = 10, 30
BEGUN = 20  # Sessions far apart whose first words are shown; reading a text far from others costs 10 ms.


def show(request: Request) -> Response:
    """GET /sessions: conversations: who, when, how many turns, what they cost, how they were judged."""
    return shown_list(request, "session", PATH)


def shown_list(request: Request, by: str, path: str) -> Response:
    """Return the page of sessions or of users.

    Args:
        request: What was asked.
        by: session or user.
        path: Of the page.
    """
    given = parameters(request, KNOWN)
    store: Store = request.app.state.store
    period = begun(store, given, time.time_ns())
    try:
        found, problem = _found(store, given, period, by), ""
    except (QueryError, PayloadError) as error:
        if is_busy(error):
            raise
        found, problem = {"rows": [], "next": ""}, str(error)
    kept = {name: text for name, text in given.items() if name != "cursor"}
    return render(
        request,
        f"{by}s.html",
        status=400 if problem else 200,
        section="sessions",
        path=path,
        given=kept,
        question=given.get("q", ""),
        problem=problem,
        period=period,
        sort=given.get("sort", "newest"),
        live_s=0
        if "cursor" in given or problem or given.get("sort", "newest") != "newest"
        else LIST_LIVE_SECONDS,
        rows=found["rows"],
        first_address=address(path, kept) if "cursor" in given else "",
        next_address=address(path, {**kept, "cursor": found["next"]}) if found["next"] else "",
        session_address=view.session_address,
        user_address=view.user_address,
    )


def show_one(request: Request) -> Response:
    """GET /session: one conversation, over all its traces."""
    given = parameters(request, ("id", *NAMES, "before"))
    name = asked.checked("id", given.get("id", ""))
    if not name:
        raise PayloadError("No id came; the id of a session was expected, as in /session?id=NAME.")
    before_ns = asked.whole(given, "before", 2**63 - 1, 2**63 - 1)
    ranged = {"from", "since"} & given.keys()
    period = read_period(given if ranged else {**given, "since": ONE_SINCE}, time.time_ns())
    store: Store = request.app.state.store
    found = asking.traces(store, "session", [name], period.range)
    sums = asking.listed(store, found)
    if not sums:
        return message(
            request,
            404,
            "No such session here",
            f"No span of the session {name[:80]!r} began in the {period.label}.",
            checks=(
                "A longer range may have it: add since=90d to the address.",
                "The id is that of session.id, or else of gen_ai.conversation.id.",
                "mlobs doctor says whether anything arrives here.",
            ),
        )
    rows = store.named(
        "page_session",
        {
            **found.within.params(),
            "ids": view.ids([row["trace_id"] for row in found.traces]),
            "operations": ",".join(CALLS),
            "before_ns": before_ns,
            "limit": TURNS + 1,
        },
    )
    [summary] = sums
    shown = rows[:TURNS]
    earlier = {**period.given, "id": name, "before": shown[-1]["start_ns"]} if len(rows) > TURNS else None
    return render(
        request,
        "session.html",
        section="sessions",
        path=ONE,
        given={name: text for name, text in given.items() if name != "before"},
        name=name,
        period=period,
        live_s=0 if "before" in given else LIVE_SECONDS,
        summary=summary,
        turns=turns(shown, *_told(store, shown)) if shown else [],
        earlier=address(ONE, earlier) if earlier else "",
        latest=address(ONE, {**period.given, "id": name}) if "before" in given else "",
        traces=address("/traces", period.given, q=term("session", name)),
        failing=address("/traces", period.given, q=f"{term('session', name)} status:error"),
        user_address=view.user_address,
    )


ROUTES = (page(PATH, show), page(ONE, show_one))


def _found(store: Store, given: Given, period: Period, by: str) -> Mapping[str, Any]:
    sort = asked.choice(given, "sort", SORTS)
    limit = asked.whole(given, "limit", ROWS, ROWS_MAX)
    # Who a trace belongs to is often said by one span, and what is asked for of another.
    where = asked.in_trace(given)
    within, following = period.range, ""
    if sort == "newest":
        after = read_cursor(given["cursor"], sort) if "cursor" in given else None
        within = within if after is None else after.range
        found = listing.page(store.query, statements.IDENTS[by], sort, where, within, limit, after)
        names, following = found.ids, found.cursor
    else:
        names = asking.first(store, by, where, within, sort, limit)
    # The newest lie close together; of others each text is somewhere else.
    begun = names if sort == "newest" else names[:BEGUN]
    rows = asking.listed(
        store, asking.traces(store, by, names, within), begun=begun if by == "session" else ()
    )
    return {"rows": view.ordered(rows, names), "next": following}


def _told(store: Store, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what some traces were asked and answered, and how they were judged."""
    names = view.ids([row["trace_id"] for row in rows])
    contents = store.named(
        "page_turns",
        {
            "ids": names,
            "operations": ",".join(CALLS),
            "characters": TURN_CHARACTERS,
            "since_ns": min(row["start_ns"] for row in rows),
            "until_ns": max(row["end_ns"] for row in rows),
        },
    )
    return contents, store.named("page_turn_scores", {"ids": names, "limit": SCORES_MAX})
