"""GET /api/ledger: what the programs and the server counted, and how it adds up."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from mlobs.semconv import loss
from mlobs.server.ask import asked
from mlobs.server.ask import openapi as api
from mlobs.server.ask.ranges import NS, read_range
from mlobs.server.ledger.account import account
from mlobs.server.ledger.entries import SERVER, SIGNALS, Entry
from mlobs.server.ledger.own import server_entry
from mlobs.server.ledger.programs import COUNTED, of_rows
from mlobs.server.store import Store

PLACE = "server"
PARAMS = ("from",)
_METRICS = ",".join(metric.name for metric in (*COUNTED, loss.SDK_WAITING))


@dataclass(frozen=True, slots=True)
class Held:
    """What the server counted of one signal, read so that nothing seems to be missing.

    Args:
        taken: Items by origin.
        settled: Items by fate.
        expired: Rows that went.
        waiting_bytes: Of the journal.
    """

    taken: Mapping[str, float]
    settled: Mapping[str, float]
    expired: float
    waiting_bytes: float


def entries(store: Store, look: Callable[[str], Held], began_s: float, since_s: float) -> list[Entry]:
    """Return what programs and server counted.

    Args:
        store: Has what programs said.
        look: Returns what the server counted of a signal.
        began_s: When its process began.
        since_s: Programs are counted from here on; 0 for all they ever said. The server counts since
            its own start.

    Raises:
        QueryError: The store does not answer.
    """
    now_s = time.time()
    if since_s:
        rows = store.named("ledger_programs_since", {"metrics": _METRICS, "since_s": since_s})
    else:
        rows = store.named("ledger_programs", {"metrics": _METRICS})
    held = {signal: look(signal) for signal in SIGNALS}
    stored = {row["signal"]: float(row["rows"]) for row in store.named("ledger_rows")}
    own = [
        replace(
            server_entry(PLACE, signal, began_s, one.taken, one.settled, one.waiting_bytes),
            rows=stored.get(signal, 0) + one.expired,
        )
        for signal, one in held.items()
    ]
    return [*of_rows(rows, now_s, since_s), *own]


def _ledger(request: Request, since_s: float) -> dict[str, Any]:
    state = request.app.state
    found = entries(state.store, state.held, state.began_s, since_s)
    added = account(found if not since_s else [one for one in found if one.hop != SERVER], whole=False)
    return {
        "time_s": time.time(),
        "began_s": state.began_s,
        "since_s": since_s or None,
        "missing": added.missing,
        "lines": [asdict(one) for one in added.lines],
        "findings": [asdict(one) for one in added.findings],
        "entries": [one.document() for one in found],
    }


async def show_ledger(request: Request) -> Response:
    """GET /api/ledger: the ledger of what the server knows, which is without collectors."""
    given = asked.once(request.query_params.multi_items())
    asked.known(given, PARAMS)
    since_s = read_range(given, time.time_ns()).since_ns / NS if given.get("from") else 0.0
    return JSONResponse(await run_in_threadpool(_ledger, request, since_s))


OPERATION = api.Operation(
    "GET",
    "/api/ledger",
    show_ledger,
    "Where spans, metric points and log records are: made, sent, taken, stored, dropped, missing.",
    PARAMS,
    api.objects(
        time_s="number", began_s="number", since_s="number?", missing="number",
        lines=api.many({"type": "object"}), findings=api.many({"type": "object"}),
        entries=api.many({"type": "object"}),
    ),
)  # fmt: skip
