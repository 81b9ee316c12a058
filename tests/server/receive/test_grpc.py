"""gRPC takes what HTTP takes, refuses what HTTP refuses, and says it as gRPC does."""

import asyncio
import gzip
import socket
import zlib
from contextlib import suppress

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.errors import ServerError
from mlobs.server.receive import grpc as calls
from mlobs.server.receive.messages import REQUESTS
from mlobs.server.receive.receiver import BODIES_IN_FLIGHT
from tests.server.otlp import post, span
from tests.server.receiving import BODY_BYTES_MAX, NAMES, receiving


def a_body(text: str = "x") -> bytes:
    request = ExportTraceServiceRequest()
    span(request, text)
    return request.SerializeToString()


def refusal(listening, body: bytes, **given) -> tuple[grpc.StatusCode, str, Status]:
    """Return the code, the sentence and the details of a call that is refused."""
    with pytest.raises(grpc.RpcError) as error:
        listening.export(body, **given)
    details = dict(error.value.trailing_metadata() or ()).get(calls.DETAILS, b"")
    return error.value.code(), error.value.details(), Status.FromString(details)


@pytest.mark.parametrize("signal", REQUESTS)
def test_each_signal_has_its_service(listening, signal):
    """Under the names of the specification, which every exporter calls; an empty request is one."""
    name = REQUESTS[signal].DESCRIPTOR.full_name
    service = name.replace("Export", "").replace("Request", "")
    assert NAMES[signal] == f"/{service}/Export"
    assert listening.export(b"", signal) == b""


@pytest.mark.parametrize(
    "compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate]
)
def test_what_is_acknowledged_is_in_the_journal(listening, compression):
    """As the sender's bytes were before it compressed them."""
    body = a_body("long enough to be worth it" * 20)
    assert listening.export(body, compression=compression) == b""
    assert listening.kept()[-1] == body


def test_metrics_of_an_unknown_kind_are_answered_with_what_became_of_them(listening):
    """As over HTTP."""
    request = ExportMetricsServiceRequest()
    request.resource_metrics.add().scope_metrics.add().metrics.add(name="of tomorrow")
    over_http = post(listening.url, request.SerializeToString(), "metrics").content
    said = listening.export(request.SerializeToString(), "metrics")
    assert said == over_http
    assert "'of tomorrow'" in ExportMetricsServiceResponse.FromString(said).partial_success.error_message


@pytest.mark.parametrize(
    ("body", "code", "reason", "sentence"),
    [
        (b"not OTLP at all", "INVALID_ARGUMENT", "not_otlp", "is not an ExportTraceServiceRequest"),
        (b"\x12\x00", "INVALID_ARGUMENT", "not_otlp", "has no field of an ExportTraceServiceRequest"),
        (gzip.compress(a_body())[:-9], "INVALID_ARGUMENT", "gzip", "ends before its end"),
        (zlib.compress(a_body())[:-9], "INVALID_ARGUMENT", "deflate", "ends before its end"),
        (gzip.compress(b"\0" * 90_000_000), "RESOURCE_EXHAUSTED", "body_bytes_max", "MLOBS_BODY_BYTES_MAX"),
    ],
    ids=["text", "another signal", "cut gzip", "cut deflate", "bomb"],
)
def test_a_message_that_is_not_taken_is_refused_with_the_reason(listening, body, code, reason, sentence):
    """Not to be sent again: none of them has a time to try again."""
    before, counted = listening.kept(), listening.refused(reason)
    came, details, status = refusal(listening, body)
    assert came.name == code
    assert sentence in details == status.message
    assert (status.code, list(status.details)) == (came.value[0], [])
    assert (listening.kept(), listening.refused(reason)) == (before, counted + 1)
    assert listening.memory.bytes == 0


def test_a_bomb_of_the_library_is_not_inflated(listening):
    """The sender's library compresses 150 MB to 150 KB, and the server's would inflate them all."""
    came, details, _ = refusal(listening, b"\0" * 150_000_000, compression=grpc.Compression.Gzip)
    assert came is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert f"a body may have {BODY_BYTES_MAX} bytes" in details


def test_a_message_over_the_limit_is_refused_before_it_is_read(listening):
    """By the library, by the length that is in front of it; the next one is taken."""
    came, details, _ = refusal(listening, b"\0" * 5_000_000)
    assert came is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in details
    assert listening.export(a_body()) == b""
    assert listening.memory.bytes == 0


@pytest.mark.parametrize("method", ["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/x/y"])
def test_other_methods_are_answered_with_those_there_are(listening, method):
    """Whoever sends to the wrong port finds out."""
    came, details, _ = refusal(listening, b"", method=method)
    assert came is grpc.StatusCode.UNIMPLEMENTED
    assert method in details
    assert "TraceService/Export" in details
    assert listening.refused("method", "unknown") > 0


def test_under_pressure_the_sender_is_told_when_to_try_again(tmp_path):
    """Over gRPC with RetryInfo, without which exporters drop the data; over HTTP with Retry-After."""
    waiting = [2_000_000]
    with receiving(tmp_path, pending_bytes=lambda: waiting[0]) as pressed:
        came, details, status = refusal(pressed, a_body())
        assert came is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert details == "2000000 bytes wait for the store, 1000000 may; try again soon."
        [packed] = status.details
        again = RetryInfo()
        assert packed.Unpack(again)
        assert again.retry_delay.seconds == 1
        answer = post(pressed.url, a_body())
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        said = Status.FromString(answer.content)
        said.message = said.message.rstrip()  # Behind it are spaces, for who takes the body for text.
        assert said == status
        assert pressed.refused("pending") == 2
        waiting[0] = 0
        assert pressed.export(a_body()) == b""


def test_a_journal_that_cannot_write_is_unavailable(tmp_path):
    """The sender keeps what it has and tries again."""
    with receiving(tmp_path) as stopped:
        stopped.journals["traces"].stop()
        came, details, status = refusal(stopped, a_body())
        assert came is grpc.StatusCode.UNAVAILABLE
        assert details == status.message == "The server is stopping and takes no more data."
        assert post(stopped.url, a_body()).status_code == 503
        assert stopped.refused("journal") == 2


async def call_many(address: str, bodies: list[bytes]) -> list[str]:
    """Return the codes of calls that are made at once."""
    async with grpc.aio.insecure_channel(address) as channel:
        export = channel.unary_unary(NAMES["traces"])

        async def one(body: bytes) -> str:
            try:
                await export(body, timeout=60)
            except grpc.RpcError as error:
                return error.code().name
            return "OK"

        return await asyncio.gather(*(one(body) for body in bodies))


def test_more_calls_than_are_read_at_once_wait_for_their_turn(listening):
    """Nothing is lost and nothing is left over."""
    before, bodies = len(listening.kept()), [a_body(str(number)) for number in range(300)]
    address = listening.grpc_url.partition("://")[2]
    assert set(asyncio.run(call_many(address, bodies))) == {"OK"}
    assert sorted(listening.kept()[before:]) == sorted(bodies)
    assert listening.memory.bytes == 0


def test_large_calls_at_once_hold_only_so_much(listening):
    """Each is taken or told to come again."""
    bodies = [a_body("x" * (BODY_BYTES_MAX - 1_000))] * (4 * BODIES_IN_FLIGHT)
    address = listening.grpc_url.partition("://")[2]
    assert set(asyncio.run(call_many(address, bodies))) <= {"OK", "RESOURCE_EXHAUSTED"}
    assert listening.memory.bytes == 0


def test_a_call_that_never_sends_its_message_is_given_up(listening, monkeypatch):
    """And one that ends without any, or with several, is told so."""
    counted = listening.refused("slow")

    async def stalled() -> grpc.StatusCode:
        async with grpc.aio.insecure_channel(listening.grpc_url.partition("://")[2]) as channel:
            call = channel.stream_unary(NAMES["traces"])(timeout=30)
            return await call.code()

    with monkeypatch.context() as patched:
        patched.setattr(calls, "READ_SECONDS_MAX", 0.2)
        assert asyncio.run(stalled()) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert listening.refused("slow") == counted + 1
    for sent, reason in ([], "no_message"), ([a_body(), a_body()], "several"):
        with grpc.insecure_channel(listening.grpc_url.partition("://")[2]) as channel:
            with pytest.raises(grpc.RpcError) as error:
                channel.stream_unary(NAMES["traces"])(iter(sent), timeout=30)
            assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert listening.refused(reason) > 0


def test_bytes_that_are_no_http2_end_nothing_but_their_connection(listening):
    """Scanners send them."""
    host, port = listening.grpc_url.partition("://")[2].rsplit(":", 1)
    for junk in (
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0" * 10_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 999,
    ):
        with socket.create_connection((host, int(port)), timeout=30) as connection, suppress(OSError):
            connection.sendall(junk)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass  # What it says before it closes.
    assert listening.export(a_body()) == b""


def test_a_taken_port_is_named_with_the_flag_that_chooses_another(listening, tmp_path):
    """Two servers that shared one would get half of the data each."""
    port = int(listening.grpc_url.rsplit(":", 1)[1])
    wanted = (
        rf"Port {port} on 127\.0\.0\.1 cannot be listened on: Address already in use\. .*--grpc-port 0 takes"
    )
    with pytest.raises(ServerError, match=wanted), receiving(tmp_path, grpc_port=port):
        pass
