"""`mlobs doctor --loss`: where telemetry went missing, and why."""

import argparse
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from mlobs.cli.doctor.readings import Page, Reading, ask_prometheus, pages, read
from mlobs.cli.doctor.telling import Span, ordered, sentences, settled
from mlobs.errors import SettingError
from mlobs.server.ledger.account import Account, Line, account
from mlobs.server.ledger.entries import Entry
from mlobs.server.ledger.history import QUERY, of_matrix
from mlobs.server.ledger.windows import between

CONFIRM_SECONDS = 3.0  # What only moves has arrived by then.
SINCE = "1h"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def loss(arguments: argparse.Namespace) -> int:
    """Print the ledger; return 1 where something is missing that no counter explains.

    Raises:
        SettingError: Flags do not go together, or one cannot be used.
        ServerError: A hop that was named does not answer.
    """
    look, silent, of = _source(arguments)
    found = account(look(), whole=True)
    if found.missing:
        # What was on its way between two hops is there by now; what is lost is not.
        time.sleep(CONFIRM_SECONDS)
        found = min((found, account(look(), whole=True)), key=lambda one: one.missing)
    span = of()
    found, moved = settled(found, span)
    if arguments.json:
        from mlobs.cli.printing import print_json

        print_json({"missing": found.missing, "of": span.words, "on_their_way": moved, **_document(found)})
    else:
        _print(found, span, moved, silent)
    return 1 if found.missing else 0


def _source(
    arguments: argparse.Namespace,
) -> tuple[Callable[[], Sequence[Entry]], Sequence[Page], Callable[[], Span]]:
    """Return what reads the hops, the pages that do not answer, and what tells the time it is of."""
    named = {hop: getattr(arguments, hop) for hop in ("sidecar", "gateway", "sampler")}
    if arguments.prometheus is not None:
        if any(named.values()) or arguments.seconds is not None or arguments.server is not None:
            raise SettingError(
                "--prometheus knows all hops that it scrapes, so --server, --sidecar, --gateway, --sampler "
                "and --for do not go with it. Leave them out."
            )
        window_s = _length(arguments.since or SINCE)
        query = QUERY.replace("WINDOW", f"{window_s}s")
        return (
            lambda: of_matrix(ask_prometheus(arguments.prometheus, query, time.time())),
            (),
            lambda: Span(f"the last {arguments.since or SINCE}, by Prometheus"),
        )
    if arguments.since is not None:
        raise SettingError(
            "--since needs somebody who remembers: name a Prometheus with --prometheus, or compare from now "
            "on with --for SECONDS."
        )
    asked = pages(named)
    if arguments.seconds is not None:
        return _window(arguments, asked)
    latest = read(arguments.server, asked)
    silent, taken = latest.silent, False

    def look() -> Sequence[Entry]:
        nonlocal latest, taken
        latest, taken = (read(arguments.server, asked) if taken else latest), True
        return latest.entries

    def of() -> Span:
        words = "all that was counted since each hop was started"
        return Span(words, reading_s=latest.took_s, read_s=latest.time_s)

    return look, silent, of


def _window(
    arguments: argparse.Namespace, asked: Sequence[Page]
) -> tuple[Callable[[], Sequence[Entry]], Sequence[Page], Callable[[], Span]]:
    if not 0 < arguments.seconds <= 86_400:
        raise SettingError(
            f"--for={arguments.seconds:g} came; more than 0 and at most 86400 seconds were expected."
        )
    first: Reading = read(arguments.server, asked, first=True)
    sys.stderr.write(f"Comparing for {arguments.seconds:g} s ...\n")
    time.sleep(arguments.seconds)
    took = [first.took_s]

    def look() -> Sequence[Entry]:
        now = read(arguments.server, asked, since_s=first.time_s)
        took[1:] = [now.took_s]
        return between(first.entries, now.entries, first.time_s)

    return look, first.silent, lambda: Span(f"in {arguments.seconds:g} s", arguments.seconds, sum(took))


def _length(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,6})([smhd])", text)
    if found is None:
        raise SettingError(f"--since={text!r} came; how long ago, such as 15m, 6h or 7d, was expected.")
    return int(found[1]) * UNITS[found[2]]


def _document(found: Account) -> dict[str, Any]:
    return {
        "lines": [asdict(one) for one in found.lines],
        "findings": [asdict(one) for one in ordered(found.findings)],
    }


def _print(found: Account, of: Span, moved: float, silent: Sequence[Page]) -> None:
    from mlobs.cli.printing import print_rows, visible

    print_rows(
        [_row(one) for one in found.lines], as_json=False, whole=("hop",), spare=("refused", "elsewhere")
    )
    *told, last = sentences(found, of, moved)
    for line in told:
        print(visible(line))
    for page in silent:
        print(f"note    No {page.hop} answers at {page.url}; if there is one, name it with --{page.hop}.")
    print(last)


def _row(line: Line) -> dict[str, object]:
    waiting = f"{line.waiting:,.0f}"
    if line.on_disk:
        waiting += f" + {line.on_disk:,.0f} on disk"
    lost = sum(line.dropped.values())
    return {
        "signal": line.signal,
        "hop": line.hop,
        "processes": line.places,
        "made or came": round(line.came),
        "elsewhere": round(line.own),
        "refused": round(sum(line.refused.values())),
        "left out": round(line.sampled_out),
        "dropped": round(lost),
        "waiting": waiting,
        "sent or stored": round(line.sent),
        "missing": round(line.missing + line.lost_before),
    }
