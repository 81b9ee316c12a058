"""A tenant sends what it may, and a noisy one is told to wait while the others go on."""

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mlobs.server.receive.quotas import SAVED_SECONDS, Quotas
from mlobs.server.receive.refusals import RefusedError
from tests.server.otlp import post, span
from tests.server.receiving import receiving


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_tenant_over_its_quota_waits_until_it_is_made_up_for():
    clock = Clock()
    quotas = Quotas(1_000, clock)
    quotas.charge("shop", SAVED_SECONDS * 1_000 + 2_500)
    with pytest.raises(RefusedError, match=r"2500 bytes more .* try again in 3 s") as refused:
        quotas.admit("shop")
    assert (refused.value.status, refused.value.retry_s) == (429, 3)
    quotas.admit("other")
    clock.now += 2.4
    with pytest.raises(RefusedError):
        quotas.admit("shop")
    clock.now += 0.2
    quotas.admit("shop")


def test_no_more_than_ten_seconds_are_saved_up():
    clock = Clock()
    quotas = Quotas(1_000, clock)
    quotas.charge("shop", 1)
    clock.now += 86_400
    quotas.charge("shop", SAVED_SECONDS * 1_000 + 1)
    with pytest.raises(RefusedError):
        quotas.admit("shop")


def test_without_a_quota_nothing_is_counted():
    quotas = Quotas(0, Clock())
    quotas.charge("shop", 1 << 40)
    quotas.admit("shop")


def test_the_noisy_tenant_gets_429_and_the_other_goes_on(tmp_path):
    """Over HTTP and gRPC alike, with when to try again."""
    tokens = tmp_path / "tokens"
    tokens.write_text(f"ingest {'n' * 20} tenant=noisy\ningest {'q' * 20} tenant=quiet\n")
    tokens.chmod(0o600)
    request = ExportTraceServiceRequest()
    span(request, "x" * 5_000)
    body = request.SerializeToString()
    noisy, quiet = (f"Bearer {letter * 20}" for letter in "nq")
    with receiving(tmp_path, tokens=tokens, tenant_bytes_per_s=100) as server:
        assert post(server.url, body, Authorization=noisy).status_code == 200
        answer = post(server.url, body, Authorization=noisy)
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 10
        with pytest.raises(grpc.RpcError) as refused:
            server.export(body, metadata=(("authorization", noisy),))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert post(server.url, body, Authorization=quiet).status_code == 200
        assert server.refused("quota") == 2
        assert len(server.kept()) == 2
