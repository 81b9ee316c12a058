"""`mlobs collector run` goes on asking where it sends to, and says once how that came out."""

import contextlib
import time
from pathlib import Path

import pytest

from mlobs.cli.collector.configurations import sources
from mlobs.cli.collector.destinations import Configured, destinations
from mlobs.cli.collector.reading import merged, read
from mlobs.cli.collector.watching import FIRST_S, MOST_S, WHOLE_S, ask_all, ask_on
from tests import sink
from tests.collectors import sidecar, tiers
from tests.collectors.configured import answering, configured, saying, settings
from tests.collectors.files import collector
from tests.processes import free_port
from tests.waiting import until


class Pauses:
    """Waits for nothing, does what is to be done meanwhile, and knows how long it would have been."""

    def __init__(self, *meanwhile, ended=()):
        self.meanwhile, self.ended, self.seconds = list(meanwhile), ended, []

    def __call__(self, seconds):
        self.seconds.append(seconds)
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return len(self.seconds) in self.ended


def asked(files, pauses, **environment):
    """Return what is said at first, and what then."""
    found = settings(files, **environment)
    first, then = [], []
    ask_on(ask_all(destinations(found), first.append), found, then.append, pauses)
    return first, then


def test_who_comes_up_later_is_told_to_answer():
    """Once, and then nobody is asked any more."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    first, then = asked(configured(f"endpoint: '{url}'"), Pauses(int, int, lambda: sink.start(port)))
    assert first == [
        f"Nobody answers at {url} yet; what comes waits in memory until somebody does, 5m at most."
    ]
    assert then == [f"{url} answers now."]


def test_a_refusal_that_a_new_token_ends_is_told_both_times(tmp_path):
    """The collector reads the file again, and so does this."""
    token = tmp_path / "token"
    token.write_text("old")
    auth = "auth: {authenticator: bearertokenauth}"
    with answering(401, wanted="Bearer new") as (url, seen):
        files = configured(f"endpoint: '{url}', {auth}", f"filename: '{token}'")
        first, then = asked(files, Pauses(int, int, lambda: token.write_text("new")))
    assert [one["Authorization"] for one in seen] == ["Bearer old"] * 3 + ["Bearer new"]
    assert "refuses the token it was given (401)" in first[0]
    assert then == [f"{url} answers now and takes the token."]


def test_headers_are_not_read_again_as_the_collector_does_not(tmp_path):
    """Who changed the file would read that all is well, and it is not."""
    headers = tmp_path / "headers"
    headers.write_text("Authorization: Bearer old")
    with answering(401, wanted="Bearer new") as (url, seen):
        pauses = Pauses(lambda: headers.write_text("Authorization: Bearer new"), ended=(3,))
        first, then = asked(configured(f"endpoint: '{url}', headers: '${{file:{headers}}}'"), pauses)
    assert [one["Authorization"] for one in seen] == ["Bearer old"] * 3
    assert f"into {headers}; the collector reads that at its start only." in first[0]
    assert then == []


def test_it_is_asked_ever_less_often_and_for_an_hour():
    """The hour is said to be over; a collector that has ended is not waited for."""
    files = configured(f"endpoint: 'http://127.0.0.1:{free_port()}'")
    pauses = Pauses()
    _, then = asked(files, pauses)
    assert pauses.seconds[:6] == [FIRST_S, 2, 4, 8, 16, MOST_S]
    assert WHOLE_S <= sum(pauses.seconds) < WHOLE_S + MOST_S
    assert len(then) == 1
    assert "was asked for an hour, and is not asked again" in then[0]
    ended = Pauses(ended=(2,))
    assert asked(files, ended)[1] == []
    assert ended.seconds == [1, 2]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (503, "takes nothing for now (503); what comes waits in memory until somebody does, 5m at most."),
        (429, "takes nothing for now (429); what comes waits in memory"),
        (404, "takes no OTLP (404), and what a collector sends there is dropped, not kept. Name the address"),
        (500, "fails (500), and what a collector sends then is dropped, not kept. Look at the log of what"),
    ],
)
def test_what_the_collector_drops_and_what_it_tries_again_is_told_apart(status, said):
    """By the status that is answered."""
    with answering(status) as (url, _):
        [line], _ = asked(configured(f"endpoint: '{url}'"), Pauses(ended=(1,)))
    assert line.startswith(f"{url} {said}")


def test_that_all_is_well_is_told_at_the_start():
    """With the token, where one is sent."""
    with answering(200) as (url, _):
        assert asked(configured(f"endpoint: '{url}'"), Pauses()) == ([f"{url} answers."], [])
        files = configured(f"endpoint: '{url}', headers: {{Authorization: x}}")
        assert asked(files, Pauses()) == ([f"{url} answers and takes the token."], [])


def gateway(*samplers, **more):
    """Return what is said at the start of a gateway's samplers."""
    environment = {
        "MLOBS_ENDPOINT": "",
        "MLOBS_GATEWAY_TOKEN_FILE": "t",
        "MLOBS_SAMPLERS": f"[{', '.join(samplers)}]",
        "MLOBS_SAMPLER_INSECURE": "true",
        **more,
    }
    files = sources("gateway")
    found = Configured(merged(files), read(files, environment), environment)
    lines = []
    ask_all(destinations(found), lines.append)
    return lines


@pytest.mark.slow
def test_samplers_that_nobody_runs_and_ports_without_grpc_are_told_once_each():
    """Eight exporters have them in common."""
    nobody = f"127.0.0.1:{free_port()}"
    with saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        other = url.removeprefix("http://")
        lines = gateway(nobody, other)
    assert lines == [
        f"Nobody answers at {nobody} yet; what comes waits on disk until somebody does.",
        f"What answers at {other} is no OTLP over gRPC without TLS; is it the HTTP port?",
    ]


@pytest.mark.slow
def test_samplers_without_tls_where_the_gateway_speaks_it_are_told_with_the_variable():
    """Eight queues would fill without a word."""
    with saying(b"\0\0\x12\4\0\0\0\0\0\0\0\0\0") as url:
        place = url.removeprefix("http://")
        [line] = gateway(place, MLOBS_SAMPLER_INSECURE="false")
    assert line == (
        f"What answers at {place} speaks no TLS, and the collector does. Give it a certificate, or, "
        f"where the network between is yours, set $MLOBS_SAMPLER_INSECURE to true."
    )
    assert gateway(place, MLOBS_SAMPLER_INSECURE="false")[0].startswith(f"Nobody answers at {place} yet")


@pytest.mark.slow
def test_a_file_of_headers_for_the_samplers_that_cannot_be_read_stops_the_start(tmp_path):
    """The collector would stop over it with twenty lines; this says one."""
    done = collector(
        "run",
        "gateway",
        MLOBS_ENDPOINT="http://127.0.0.1:1",
        MLOBS_GATEWAY_TOKEN_FILE=str(tmp_path / "token"),
        MLOBS_SAMPLER_HEADERS_FILE=str(tmp_path / "absent"),
        **{f"MLOBS_GATEWAY_{part}": f"127.0.0.1:{free_port()}" for part in ("HTTP", "GRPC", "HEALTH")},
        MLOBS_GATEWAY_METRICS_PORT=str(free_port()),
        MLOBS_DERIVED_METRICS=f"127.0.0.1:{free_port()}",
    )
    assert done.returncode == 2
    assert (
        f"The file '{tmp_path / 'absent'}' cannot be read, and the collector takes its headers" in done.stderr
    )


def log(folder, name="collector"):
    return (folder / f"{name}.log").read_text()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_sidecar_says_that_its_receiver_answers_when_it_comes_up(tmp_path):
    """And what it had taken arrives. Whoever asks is gone then, and has left nothing behind."""
    port = free_port()
    with sidecar.running(tmp_path, f"http://127.0.0.1:{port}") as beside:
        assert f"Nobody answers at http://127.0.0.1:{port} yet" in log(tmp_path)
        assert "answers now" not in log(tmp_path)
        time.sleep(2)
        sink.start(port)
        until(lambda: f"mlobs: http://127.0.0.1:{port} answers now.\n" in log(tmp_path))
        until(lambda: others(tmp_path, beside) == [])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_whoever_asks_beside_a_collector_ends_with_it(tmp_path):
    """Also where the collector is killed."""
    with sidecar.running(tmp_path, f"http://127.0.0.1:{free_port()}") as beside:
        assert len(until(lambda: others(tmp_path, beside))) == 1
        beside.kill()
        until(lambda: others(tmp_path, beside) == [])


def others(folder, beside):
    """Return the processes with the environment of a collector, but itself."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) != beside.process.pid:
            with contextlib.suppress(OSError):  # Gone meanwhile, or of somebody else.
                if f"MLOBS_SIDECAR_QUEUE={folder}/".encode() in (process / "environ").read_bytes():
                    found.append(process.name)
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_gateway_says_whether_its_sampler_takes_its_token(tmp_path):
    """Without one, with a wrong one, with the right one: the second hop is no less a hop."""
    receiver = sink.start()
    with tiers.sampler(tmp_path, receiver.url) as second:
        with tiers.gateway(tmp_path, receiver.url, [second.grpc], MLOBS_SAMPLER_HEADERS_FILE="/dev/null"):
            said = log(tmp_path, "gateway")
        refused = f"mlobs: {second.grpc} refuses a collector without a token (Unauthenticated), and what a"
        assert refused in said
        assert (
            "into a file, name that with $MLOBS_SAMPLER_HEADERS_FILE, and start the collector again." in said
        )
        wrong = tmp_path / "wrong"
        wrong.write_text("Authorization: Bearer wrong\n")
        with tiers.gateway(tmp_path, receiver.url, [second.grpc], MLOBS_SAMPLER_HEADERS_FILE=str(wrong)):
            said = log(tmp_path, "gateway")
        assert f"{second.grpc} refuses the token it was given (Unauthenticated)" in said
        assert (
            "the file that $MLOBS_SAMPLER_HEADERS_FILE names; the collector reads that at its start" in said
        )
        with tiers.gateway(tmp_path, receiver.url, [second.grpc]):
            said = log(tmp_path, "gateway")
        assert f"mlobs: {second.grpc} answers and takes the token.\n" in said
        assert f"mlobs: {receiver.url} answers.\n" in said
