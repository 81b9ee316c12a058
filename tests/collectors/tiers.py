"""Runs the collectors behind the sidecar for tests: gateway, sampler, all-in-one."""

import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.collectors.sidecar import Sidecar, build
from tests.processes import MLOBS, free_port, process, wait_for

TOKEN = "a-token-for-tests"


@dataclass
class Tier(Sidecar):
    """One running collector behind the sidecar, and where its metrics are."""

    derived: str = ""
    headers: Path = field(default_factory=Path)


def derived(tier: Tier) -> list[str]:
    """Return the lines of the derived metrics, exemplars included."""
    accepted = {"Accept": "application/openmetrics-text; version=1.0.0"}
    asked = urllib.request.Request(tier.derived, headers=accepted)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.read().decode().splitlines()
    except urllib.error.URLError:
        return []


@contextmanager
def gateway(folder: Path, endpoint: str, samplers: list[str], **more: str) -> Iterator[Tier]:
    """Run tier one; traces go to `samplers`, metrics and logs to `endpoint`."""
    variables = {"MLOBS_ENDPOINT": endpoint, "MLOBS_SAMPLERS": f"[{', '.join(samplers)}]", **more}
    with _running("gateway", "GATEWAY", folder, variables) as tier:
        yield tier


@contextmanager
def sampler(folder: Path, endpoint: str, more: tuple[str, ...] = (), **given: str) -> Iterator[Tier]:
    """Run tier two, which waits two seconds for a trace and one for what comes after its root.

    `more` are files that come after its own.
    """
    variables = {
        "MLOBS_ENDPOINT": endpoint,
        "MLOBS_SAMPLER_WAIT": "2s",
        "MLOBS_SAMPLER_WAIT_AFTER_ROOT": "1s",
        **given,
    }
    with _running("sampler", "SAMPLER", folder, variables, more=more) as tier:
        yield tier


@contextmanager
def all_in_one(folder: Path, endpoint: str, sinks: tuple[str, ...] = (), **more: str) -> Iterator[Tier]:
    """Run both tiers in one process."""
    variables = {
        "MLOBS_ENDPOINT": endpoint,
        "MLOBS_SAMPLER_WAIT": "2s",
        "MLOBS_SAMPLER_WAIT_AFTER_ROOT": "1s",
        **more,
    }
    with _running("all-in-one", "GATEWAY", folder, variables, sinks) as tier:
        yield tier


@contextmanager
def _running(
    name: str,
    family: str,
    folder: Path,
    variables: dict[str, str],
    sinks: tuple[str, ...] = (),
    more: tuple[str, ...] = (),
) -> Iterator[Tier]:
    build()
    http, grpc, health, metrics, shown = (free_port() for _ in range(5))
    token, headers = folder / f"{name}.token", folder / f"{name}.headers"
    token.write_text(TOKEN)
    headers.write_text(f"Authorization: Bearer {TOKEN}\n")
    environment = {
        **os.environ,
        f"MLOBS_{family}_TOKEN_FILE": str(token),
        f"MLOBS_{family}_HTTP": f"127.0.0.1:{http}",
        f"MLOBS_{family}_GRPC": f"127.0.0.1:{grpc}",
        f"MLOBS_{family}_HEALTH": f"127.0.0.1:{health}",
        f"MLOBS_{family}_QUEUE": str(folder / f"{name}-queue"),
        f"MLOBS_{family}_METRICS_PORT": str(metrics),
        "MLOBS_SAMPLER_HEADERS_FILE": str(headers),
        "MLOBS_DERIVED_METRICS": f"127.0.0.1:{shown}",
        "MLOBS_DERIVED_EVERY": "1s",
        **variables,
    }
    log = folder / f"{name}.log"
    chosen = [word for sink in sinks for word in ("--sink", sink)]
    with process(*MLOBS, "collector", "run", name, *more, *chosen, log=log, env=environment) as started:
        wait_for(f"http://127.0.0.1:{health}/", log)
        yield Tier(
            started,
            f"http://{environment[f'MLOBS_{family}_HTTP']}",
            environment[f"MLOBS_{family}_GRPC"],
            f"http://127.0.0.1:{metrics}/metrics",
            f"http://127.0.0.1:{shown}/metrics",
            headers,
        )
