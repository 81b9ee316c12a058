"""Why requests are refused, and what to do: data in, data out."""

from collections.abc import Iterable
from typing import Any

from mlobs.semconv import metrics as m
from mlobs.semconv.rows import Metric

MEANINGS = {
    "no_token": "No token came. Set OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN.",
    "wrong_token": "The token is not among those of MLOBS_TOKENS, or the header is of another kind.",
    "scope": "The token is for something else: ingest sends, read asks, admin changes.",
    "host": "The Host header named another machine: only loopback is served without tokens.",
    "site": "A page of another site asked for a change.",
    "method": "Nothing takes that method there: the endpoint is the base address, without /v1/traces.",
    "content_type": "OTLP is application/x-protobuf or application/json.",
    "encoding": "The Content-Encoding is not known, or the body is not encoded so.",
    "not_otlp": "The body is no OTLP: something else is sent there, or it was cut on the way.",
    "no_message": "No message came in a call of gRPC.",
    "several": "Several messages came in a call of gRPC that takes one.",
    "json_values": "A JSON body of so many values takes too much memory: send smaller batches, or protobuf.",
    "body_bytes_max": "A body was too large: send smaller batches, or raise MLOBS_BODY_BYTES_MAX.",
    "slow": "A body did not come to its end in time: look at the network, or at a proxy between.",
    "disconnected": "The sender left before its body was there.",
    "pending": "The store was too far behind; senders try again. If it stays: a faster disk, or fewer spans.",
    "busy": "Too much was on its way at once; senders try again.",
    "quota": "A tenant sent more than MLOBS_TENANT_BYTES_PER_S.",
    "journal": "The journal could not be written: look at the disk of the data folder.",
    "unsupported": "A part of the request is of a kind that is not kept; the rest was taken.",
}
UNKNOWN = "The answer of that request said why."


def refused(series: Iterable[tuple[Metric, tuple[str, ...], float]]) -> list[dict[str, Any]]:
    """Return what was refused since the server started, by signal and reason, most first."""
    found = [
        {
            "signal": labels[0],
            "reason": labels[1],
            "count": int(value),
            "meaning": MEANINGS.get(labels[1], UNKNOWN),
        }
        for metric, labels, value in series
        if metric is m.SERVER_REFUSED and value
    ]
    return sorted(found, key=lambda one: (-one["count"], one["signal"], one["reason"]))


def received(series: Iterable[tuple[Metric, tuple[str, ...], float]]) -> list[dict[str, Any]]:
    """Return what was taken since the server started, by signal."""
    names = {
        m.SERVER_RECEIVED: "requests",
        m.SERVER_RECEIVED_BYTES: "bytes",
        m.SERVER_PENDING_BYTES: "pending",
        m.SERVER_SET_ASIDE: "aside",
    }
    found: dict[str, dict[str, Any]] = {
        signal: {"signal": signal, **dict.fromkeys(names.values(), 0)}
        for signal in ("traces", "metrics", "logs")
    }
    for metric, labels, value in series:
        if metric in names and labels[0] in found:
            found[labels[0]][names[metric]] = int(value)
    return list(found.values())
