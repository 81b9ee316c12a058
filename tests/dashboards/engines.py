"""Engines and GPUs as Prometheus sees them: families by their documented names, with numbers that move.

Written from the documentation and not from `mlobs.semconv.foreign`, so that a name put down wrongly there
leaves a panel empty here. Sources: vLLM "Production Metrics" (with the names of its `loggers.py`), SGLang
"Production Metrics", Triton's "Metrics", and the default counters of NVIDIA's DCGM exporter.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import Metric

MODEL = "served-8b"
TICK_S = 0.2
TRITON = {"model": "resnet", "version": "1"}
GPU = {"gpu": "0", "UUID": "GPU-1", "device": "nvidia0", "modelName": "H100", "Hostname": "node-1"}
# Counters of Triton and gauges of DCGM, which are served without prometheus_client's endings.
TRITON_COUNTERS = {
    "nv_inference_request_success": 5.0,
    "nv_inference_count": 20.0,
    "nv_inference_exec_count": 5.0,
    "nv_inference_request_duration_us": 50_000.0,
    "nv_inference_queue_duration_us": 10_000.0,
    "nv_inference_compute_infer_duration_us": 30_000.0,
}
DCGM_GAUGES = {
    "DCGM_FI_DEV_GPU_UTIL": 87.0,
    "DCGM_FI_DEV_FB_USED": 61_000.0,
    "DCGM_FI_DEV_FB_FREE": 19_000.0,
    "DCGM_FI_DEV_POWER_USAGE": 512.0,
    "DCGM_FI_DEV_GPU_TEMP": 64.0,
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": 0.31,
    "DCGM_FI_PROF_DRAM_ACTIVE": 0.72,
    "DCGM_FI_DEV_XID_ERRORS": 0.0,
}


class Bare:
    """Serves the families whose names have no ending."""

    def __init__(self) -> None:
        self.ticks = 0

    def collect(self) -> Iterator[Metric]:
        """Yield Triton's and DCGM's families."""
        for name, step in TRITON_COUNTERS.items():
            family = Metric(name, "of Triton", "unknown")
            family.add_sample(name, TRITON, self.ticks * step)
            yield family
        failed = Metric("nv_inference_request_failure", "of Triton", "unknown")
        failed.add_sample(failed.name, {**TRITON, "reason": "REJECTED"}, self.ticks * 0.1)
        yield failed
        for name, labels, value in (
            ("nv_inference_pending_request_count", TRITON, 3.0),
            *((name, GPU, value) for name, value in DCGM_GAUGES.items()),
        ):
            family = Metric(name, "of a gauge", "gauge")
            family.add_sample(name, labels, value)
            yield family


class Engines:
    """vLLM and SGLang, by prometheus_client as they themselves do it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.counters, self.histograms, self.gauges = [], [], []
        for prefix, names, labels in (
            ("vllm", ("model_name", "engine"), {"model_name": MODEL, "engine": "0"}),
            ("sglang", ("model_name",), {"model_name": MODEL}),
        ):
            for name in COUNTERS[prefix]:
                made = Counter(f"{prefix}:{name}", "A counter.", names, registry=registry)
                self.counters.append(made.labels(**labels))
            for name in HISTOGRAMS[prefix]:
                made = Histogram(f"{prefix}:{name}", "A histogram.", names, registry=registry)
                self.histograms.append(made.labels(**labels))
            for name, value in GAUGES[prefix].items():
                Gauge(f"{prefix}:{name}", "A gauge.", names, registry=registry).labels(**labels).set(value)
        ended = Counter(
            "vllm:request_success",
            "Requests by how they ended.",
            ("model_name", "engine", "finished_reason"),
            registry=registry,
        )
        for reason in ("stop", "length", "abort"):
            self.counters.append(ended.labels(model_name=MODEL, engine="0", finished_reason=reason))

    def tick(self) -> None:
        """Let something happen."""
        for counter in self.counters:
            counter.inc(2)
        for histogram in self.histograms:
            histogram.observe(0.3)


COUNTERS = {
    "vllm": (
        "prefix_cache_queries", "prefix_cache_hits", "num_preemptions", "prompt_tokens", "generation_tokens",
    ),
    "sglang": ("prompt_tokens", "generation_tokens"),
}  # fmt: skip
HISTOGRAMS = {
    "vllm": (
        "time_to_first_token_seconds", "inter_token_latency_seconds", "request_queue_time_seconds",
        "request_prefill_time_seconds", "request_decode_time_seconds",
    ),
    "sglang": (
        "time_to_first_token_seconds", "inter_token_latency_seconds", "e2e_request_latency_seconds",
    ),
}  # fmt: skip
GAUGES = {
    "vllm": {"num_requests_running": 7.0, "num_requests_waiting": 2.0, "kv_cache_usage_perc": 0.6},
    "sglang": {"num_running_reqs": 4.0, "num_queue_reqs": 1.0, "token_usage": 0.28, "cache_hit_rate": 0.4},
}


@contextmanager
def engines() -> Iterator[str]:
    """Serve all of them on a free port, and let things happen, until the block ends."""
    registry = CollectorRegistry()
    served, bare = Engines(registry), Bare()
    registry.register(bare)  # type: ignore[arg-type]
    server, thread = start_http_server(0, "127.0.0.1", registry)
    done = threading.Event()

    def go_on() -> None:
        while not done.wait(TICK_S):
            served.tick()
            bare.ticks += 1

    ticking = threading.Thread(target=go_on, daemon=True)
    ticking.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        done.set()
        ticking.join()
        server.shutdown()
        thread.join()
