"""The loss ledger on real hops: nothing is missing that no counter explains, and what is taken is found."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from mlobs.cli.doctor.readings import Page, ask_prometheus, read
from mlobs.errors import MlobsError
from mlobs.server.ledger.account import LOST, MISSING, RESTART, account
from mlobs.server.ledger.windows import between
from tests.collectors import sidecar, tiers
from tests.collectors.files import TOP
from tests.collectors.swallower import swallowing
from tests.parts import require
from tests.processes import MLOBS, free_port, process, wait_for
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
QUEUE_BYTES = "524288"  # The smallest that the exporters take: a batch of theirs.
HOPS = ("programs", "sidecar", "gateway", "sampler", "server")


@contextlib.contextmanager
def up(folder, port):
    """Run `mlobs up` on a port that a later one can take again."""
    log = folder / f"server-{time.monotonic_ns()}.log"
    where = ("--port", str(port), "--grpc-port", "0", "--data", str(folder / "data"))
    with process(*MLOBS, "up", *where, log=log, cwd=folder) as started:
        wait_for(f"http://127.0.0.1:{port}/readyz", log)
        yield started


def busy(endpoint, seconds=2.0, per_second=400, **variables):
    """Start a program that makes spans."""
    command = [sys.executable, "-m", "tests.collectors.busy", endpoint, str(seconds), str(per_second)]
    environment = {**os.environ, **variables}
    return subprocess.Popen(command, cwd=TOP, env=environment, stdout=subprocess.PIPE, text=True)


def made(program):
    """Return how many spans a program says it made, once it has ended."""
    out, _ = program.communicate(timeout=400)
    assert program.returncode == 0
    return int(out)


@dataclass
class Whole:
    """Every hop, and how they are read."""

    server: str
    pages: list[Page]
    entry: str
    parts: dict[str, object]

    @property
    def flags(self):
        named = [word for page in self.pages for word in (f"--{page.hop}", page.url)]
        return ["--server", self.server, *named]

    def reading(self, **given):
        return read(self.server, self.pages, **given)

    def settled(self, entries, missing=lambda: 0, within_s=200.0):
        """Return the account once nothing waits or is on its way, and no more is missing than was eaten."""
        end = time.monotonic() + within_s
        while True:
            try:
                found = account(entries(), whole=True)
            except MlobsError as error:
                found, waits = error, True
            else:
                waits = found.missing != missing() or any(one.waiting or one.holds for one in found.lines)
            if not waits or time.monotonic() > end:
                return found
            time.sleep(1)

    def doctor(self):
        """Return the status of the command, and what it prints."""
        command = [*MLOBS, "doctor", "--loss", "--json", *self.flags]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)
        assert done.returncode in {0, 1}, done.stderr
        return done.returncode, json.loads(done.stdout)


@contextlib.contextmanager
def whole(folder, between_sidecar_and_gateway=lambda url: contextlib.nullcontext(url), **more):
    """Run every hop; their ports stay when one is started again."""
    ports = {name: free_port() for name in ("server", "sampler", "gateway", "sidecar")}
    metrics = {name: free_port() for name in ("sampler", "gateway", "sidecar")}
    server_url = f"http://127.0.0.1:{ports['server']}"
    at = {
        "sampler": {"MLOBS_SAMPLER_GRPC": f"127.0.0.1:{ports['sampler']}"},
        "gateway": {"MLOBS_GATEWAY_HTTP": f"127.0.0.1:{ports['gateway']}"},
        "sidecar": {"MLOBS_SIDECAR_HTTP": f"127.0.0.1:{ports['sidecar']}"},
    }
    for name, port in metrics.items():
        at[name][f"MLOBS_{name.upper()}_METRICS_PORT"] = str(port)
        at[name] |= more.get(name, {})
    pages = [Page(name, f"http://127.0.0.1:{port}/metrics", True) for name, port in metrics.items()]
    headers = folder / "gateway.headers"
    headers.write_text(f"Authorization: Bearer {tiers.TOKEN}\n")
    gateway_url = f"http://127.0.0.1:{ports['gateway']}"
    with contextlib.ExitStack() as running, between_sidecar_and_gateway(gateway_url) as behind:
        starts = {
            "server": lambda: up(folder, ports["server"]),
            "sampler": lambda: tiers.sampler(folder, server_url, **at["sampler"]),
            "gateway": lambda: tiers.gateway(
                folder, server_url, [f"127.0.0.1:{ports['sampler']}"], **at["gateway"]
            ),
            "sidecar": lambda: sidecar.running(
                folder, behind, MLOBS_HEADERS_FILE=str(headers), **at["sidecar"]
            ),
        }
        made = Whole(server_url, pages, f"http://127.0.0.1:{ports['sidecar']}", {})

        def start(name):
            made.parts[name] = running.enter_context(starts[name]())

        made.start = start
        for name in starts:
            start(name)
        yield made


def kill(part):
    """End a hop as a crash would."""
    running = part if isinstance(part, subprocess.Popen) else part.process
    running.kill()
    running.wait()


def line(found, signal, hop):
    [one] = [one for one in found.lines if (one.signal, one.hop) == (signal, hop)]
    return one


def came_to(hops, hop):
    """Return how many spans have come to a hop."""
    return line(account(hops.reading().entries, whole=True), "traces", hop).came


def kinds(found):
    return {one.kind for one in found.findings}


def says(found):
    return "\n".join(one.says for one in found.findings)


def test_under_load_with_tail_sampling_every_span_is_sent_left_out_or_stored(tmp_path):
    """Two programs at once, a quarter kept, with an overflow of one program's queue on the way."""
    with whole(tmp_path, sampler={"MLOBS_SAMPLER_BASE_PERCENT": "25"}) as hops:
        first = busy(hops.entry)
        second = busy(hops.entry, MLOBS_QUEUE_SPANS_MAX="5", MLOBS_EXPORT_INTERVAL_S="0.5")
        total = made(first) + made(second)
        found = hops.settled(lambda: hops.reading().entries)
        assert found.missing == 0, says(found)
        programs, sampler, server = (line(found, "traces", hop) for hop in ("programs", "sampler", "server"))
        lost = programs.dropped["queue_full"]
        assert lost > 0
        assert programs.came == total == programs.sent + lost
        assert 0 < sampler.sent < sampler.came == programs.sent
        assert sampler.sampled_out == sampler.came - sampler.sent
        assert server.sent == sampler.sent
        assert "queue_full" in says(found)
        status, told = hops.doctor()
        assert (status, told["missing"], told["lost"]) == (1, 0, True)  # One program's queue was full.
        assert {one["hop"] for one in told["lines"] if one["signal"] == "traces"} == set(HOPS)
        assert {one["signal"] for one in told["lines"]} == {"traces", "metrics", "logs"}


def test_spans_that_a_proxy_ate_are_missing_between_the_hops_beside_it(tmp_path):
    """It answered 200, so no counter of anybody's knows."""
    with whole(
        tmp_path,
        _proxy,
        sampler={"MLOBS_SAMPLER_BASE_PERCENT": "50"},
    ) as hops:
        made(busy(hops.entry))
        [eater] = _EATERS
        hops.settled(lambda: hops.reading().entries, lambda: eater.eaten)
        status, told = hops.doctor()
        assert eater.eaten >= 100
        missing = [one for one in told["findings"] if one["kind"] == MISSING]
        assert [(one["signal"], one["where"], one["count"]) for one in missing] == [
            ("traces", "sidecar -> gateway", eater.eaten)
        ]
        assert (status, told["missing"]) == (1, eater.eaten)


_EATERS = []


@contextlib.contextmanager
def _proxy(url):
    with swallowing(url, 100) as (address, eater):
        _EATERS[:] = [eater]
        yield address


@pytest.mark.parametrize("victim", ["sidecar", "gateway", "server"])
def test_a_kill_under_load_leaves_nothing_unexplained(tmp_path, victim):
    """The hop's counts are gone, and what it had acknowledged is not: its neighbours say so."""
    with whole(tmp_path, sampler={"MLOBS_SAMPLER_BASE_PERCENT": "50"}) as hops:
        made(busy(hops.entry, seconds=1.0))
        hops.settled(lambda: hops.reading().entries)
        then = hops.reading(first=True)
        program = busy(hops.entry, seconds=5.0)
        came = came_to(hops, victim)
        until(lambda: came_to(hops, victim) > came)
        time.sleep(1.5)
        kill(hops.parts[victim])
        time.sleep(0.5)
        hops.start(victim)
        made(program)

        def entries():
            now = hops.reading(since_s=then.time_s)
            return between(then.entries, now.entries, then.time_s)

        found = hops.settled(entries)
        assert found.missing == 0, says(found)
        assert line(found, "traces", "programs").sent > 0
        assert not any(one.kind == RESTART and one.signal == "traces" for one in found.findings), says(found)


def test_what_a_killed_sampler_had_not_judged_is_said_to_be_lost_in_its_restart(tmp_path):
    """It is in memory only; no counter has it, and yet the place and the cause are known."""
    slow = {"MLOBS_SAMPLER_BASE_PERCENT": "100", "MLOBS_SAMPLER_WAIT": "120s"}
    with whole(tmp_path, sampler={**slow, "MLOBS_SAMPLER_WAIT_AFTER_ROOT": "120s"}) as hops:
        then = hops.reading(first=True)
        spans = made(busy(hops.entry))
        until(lambda: came_to(hops, "sampler") == spans)
        kill(hops.parts["sampler"])
        hops.start("sampler")

        def entries():
            now = hops.reading(since_s=then.time_s)
            return between(then.entries, now.entries, then.time_s)

        found = hops.settled(entries)
        lost = [one for one in found.findings if one.kind == RESTART]
        assert [(one.where, one.count) for one in lost] == [("gateway -> server", spans)]
        assert found.missing == 0, says(found)


def test_a_server_that_is_away_and_a_queue_that_is_full_are_both_explained(tmp_path):
    """The sampler's queue fills and drops what it had taken; the ledger has the count and the reason."""
    small = {"MLOBS_SAMPLER_BASE_PERCENT": "100", "MLOBS_SINK_BYTES": QUEUE_BYTES}
    with whole(tmp_path, sampler=small) as hops:
        made(busy(hops.entry, seconds=1.0))
        hops.settled(lambda: hops.reading().entries)
        then = hops.reading(first=True)
        kill(hops.parts["server"])
        made(busy(hops.entry, seconds=6.0, per_second=3000))
        hops.start("server")

        def entries():
            now = hops.reading(since_s=then.time_s)
            return between(then.entries, now.entries, then.time_s)

        found = hops.settled(entries)
        assert found.missing == 0, says(found)
        sampler = line(found, "traces", "sampler")
        assert sampler.dropped, says(found)
        assert sampler.came == sampler.sent + sum(sampler.dropped.values())
        assert LOST in kinds(found)
        assert line(found, "traces", "server").came == sampler.sent


def test_a_queue_that_is_full_leaves_the_spans_with_the_sender(tmp_path):
    """The gateway takes no more while its sampler is away: the sidecar keeps them, and none is lost."""
    full = {"MLOBS_GATEWAY_QUEUE_BYTES": "1000000"}  # For each of its parts: larger than a part of a batch.
    with whole(tmp_path, gateway=full, sampler={"MLOBS_SAMPLER_BASE_PERCENT": "100"}) as hops:
        kill(hops.parts["sampler"])
        made(busy(hops.entry, seconds=4.0, per_second=1500, BUSY_CHARACTERS="6000"))
        pages = [page for page in hops.pages if page.hop != "sampler"]

        def waiting():
            found = account(read(hops.server, pages).entries, whole=True)
            return found, [line(found, "traces", hop).waiting for hop in ("sidecar", "gateway")]

        until(lambda: not (told := waiting())[0].missing and all(told[1]), told=waiting)
        hops.start("sampler")
        found = hops.settled(lambda: hops.reading().entries, within_s=300)
        assert found.missing == 0, says(found)
        programs, server = (line(found, "traces", hop) for hop in ("programs", "server"))
        # A request that waited too long for an answer is sent again, so some may be there twice.
        assert server.sent >= programs.sent == programs.came


@contextlib.contextmanager
def remembering(folder, hops):
    """Run a Prometheus that scrapes every hop each second."""
    port = free_port()
    jobs = [("mlobs", urlsplit(hops.server).netloc, {})]
    jobs += [(page.hop, urlsplit(page.url).netloc, {"collector": page.hop}) for page in hops.pages]
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [target], "labels": labels}]}
            for name, target, labels in jobs
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML.
    log = folder / "prometheus.log"
    command = (
        require("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with process(*command, log=log):
        wait_for(f"http://127.0.0.1:{port}/-/ready", log)
        url, thrice = f"http://127.0.0.1:{port}", "sum_over_time(up[1m]) > 2"
        # Its first two looks at a target tell how exact it is: nothing may happen between them.
        until(lambda: len(ask_prometheus(url, thrice, time.time())) == len(jobs), told=log.read_text)
        yield url


def test_prometheus_remembers_what_was_lost(tmp_path):
    """It says the same as the hops themselves, of as long as it remembers, a proxy's catch included."""
    with (
        whole(tmp_path, _proxy, sampler={"MLOBS_SAMPLER_BASE_PERCENT": "50"}) as hops,
        remembering(tmp_path, hops) as prometheus,
    ):
        spans = made(busy(hops.entry, seconds=3.0))
        [eater] = _EATERS
        hops.settled(lambda: hops.reading().entries, lambda: eater.eaten)
        command = [*MLOBS, "doctor", "--loss", "--json", "--prometheus", prometheus, "--since", "10m"]

        def remembered():
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)
            if done.returncode not in {0, 1}:
                return done.stderr
            told = json.loads(done.stdout)
            found = [one for one in told["findings"] if one["signal"] == "traces"]
            missing = [(one["where"], one["count"]) for one in found if one["kind"] == MISSING]
            came = {one["hop"]: one["came"] for one in told["lines"] if one["signal"] == "traces"}
            return done.returncode, missing, came.get("programs"), came.get("sidecar")

        expected = (1, [("sidecar -> gateway", eater.eaten)], spans, spans)
        until(lambda: remembered() == expected, told=remembered)  # It looks once a second.


def test_prometheus_tells_what_a_crash_took_with_the_counts_of_those_who_made_it(tmp_path):
    """The sidecar's disk is gone, and the program's counts were on it too: the sidecar's own are left."""
    with (
        whole(tmp_path, sampler={"MLOBS_SAMPLER_BASE_PERCENT": "100"}) as hops,
        remembering(tmp_path, hops) as prometheus,
    ):
        first = made(busy(hops.entry, seconds=1.0))
        hops.settled(lambda: hops.reading().entries)
        kill(hops.parts["gateway"])
        lost = made(busy(hops.entry, seconds=1.0))
        command = [*MLOBS, "doctor", "--loss", "--json", "--prometheus", prometheus, "--since", "10m"]

        def told():
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)
            return json.loads(done.stdout)

        def came():
            traces = {one["hop"]: one["came"] for one in told()["lines"] if one["signal"] == "traces"}
            return traces.get("sidecar")

        until(lambda: came() == first + lost, told=told)
        kill(hops.parts["sidecar"])
        shutil.rmtree(tmp_path / "queue")
        hops.start("gateway")
        hops.start("sidecar")

        def gaps():
            found = [one for one in told()["findings"] if one["signal"] == "traces"]
            return [one["count"] for one in found if one["where"].startswith("sidecar ")]

        until(lambda: gaps() == [lost], told=told)
        plain = subprocess.run(
            [word for word in command if word != "--json"], capture_output=True, text=True, check=False
        )
        assert "Nothing is missing" not in plain.stdout, plain.stdout
        assert f"{lost:,} spans that came to sidecar" in plain.stdout
