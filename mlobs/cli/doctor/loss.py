"""`mlobs doctor --loss`: where telemetry went missing, and why."""

import argparse
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
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
    """Print the ledger; return 1 where something is gone for good, and 0 where all is there or on its way.

    Raises:
        SettingError: Flags do not go together, or one cannot be used.
        ServerError: A hop that was named does not answer.
    """
    look, guessed, of = _source(arguments)
    found = account(look(), whole=True)
    if found.missing:
        # What was on its way between two hops is there by now; what is lost is not.
        time.sleep(CONFIRM_SECONDS)
        found = min((found, account(look(), whole=True)), key=lambda one: one.missing)
    span = of()
    found, moved = settled(found, span)
    if arguments.json:
        from mlobs.cli.printing import print_json

        told = {"missing": found.missing, "lost": found.lost, "of": span.words, "on_their_way": moved}
        print_json({**told, **_document(found)})
    else:
        _print(found, span, moved, guessed)
    return 1 if found.lost else 0


def _source(
    arguments: argparse.Namespace,
) -> tuple[Callable[[], Sequence[Entry]], Mapping[Page, bool], Callable[[], Span]]:
    """Return what reads the hops, the pages nobody named, and what tells the time it is of."""
    named = {hop: getattr(arguments, hop) for hop in ("sidecar", "gateway", "sampler")}
    if arguments.prometheus is not None:
        more = (arguments.no_collectors, arguments.seconds, arguments.server)
        if any(named.values()) or any(one is not None for one in more):
            raise SettingError(
                "--prometheus knows all hops that it scrapes, so --server, --sidecar, --gateway, --sampler, "
                "--no-collectors and --for do not go with it. Leave them out."
            )
        window_s = _length(arguments.since or SINCE)
        query = QUERY.replace("WINDOW", f"{window_s}s")
        return (
            lambda: of_matrix(ask_prometheus(arguments.prometheus, query, time.time())),
            {},
            lambda: Span(f"the last {arguments.since or SINCE}, by Prometheus"),
        )
    if arguments.since is not None:
        raise SettingError(
            "--since needs somebody who remembers: name a Prometheus with --prometheus, or compare from now "
            "on with --for SECONDS."
        )
    if arguments.no_collectors and any(named.values()):
        raise SettingError("--no-collectors came, and the address of one. Leave one of them out.")
    asked = [] if arguments.no_collectors else pages(named)
    if arguments.seconds is not None:
        return _window(arguments, asked)
    latest = read(arguments.server, asked)
    guessed, taken = _guessed(asked, latest), False

    def look() -> Sequence[Entry]:
        nonlocal latest, taken
        latest, taken = (read(arguments.server, asked) if taken else latest), True
        return latest.entries

    def of() -> Span:
        words = "all that was counted since each hop was started"
        return Span(words, reading_s=latest.took_s, read_s=latest.time_s)

    return look, guessed, of


def _guessed(asked: Sequence[Page], found: Reading) -> dict[Page, bool]:
    """Return the pages that nobody named, and whether something answers there."""
    return {page: page not in found.silent for page in asked if not page.named}


def _window(
    arguments: argparse.Namespace, asked: Sequence[Page]
) -> tuple[Callable[[], Sequence[Entry]], Mapping[Page, bool], Callable[[], Span]]:
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

    guessed = _guessed(asked, first)
    return look, guessed, lambda: Span(f"in {arguments.seconds:g} s", arguments.seconds, sum(took))


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


def _print(found: Account, of: Span, moved: float, guessed: Mapping[Page, bool]) -> None:
    from mlobs.cli.printing import print_rows, visible

    print_rows(
        [_row(one) for one in found.lines],
        as_json=False,
        whole=("waiting",),
        spare=("processes", "left out", "refused", "elsewhere"),
    )
    *told, last = sentences(found, of, moved)
    for line in told:
        print(visible(line))
    for page, answers in guessed.items():
        if not answers:
            print(f"note    No {page.hop} answers at {page.url}; if there is one, name it with --{page.hop}.")
        elif found.missing:
            print(
                f"note    The {page.hop} was found at {page.url} and named by nobody. If it is of another "
                "way, name those of this one, or ask with --no-collectors."
            )
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
        "left out": round(line.sampled_out + sum(line.filtered.values())),
        "dropped": round(lost),
        "waiting": waiting,
        "sent or stored": round(line.sent),
        "missing": round(line.missing + line.lost_before),
    }
