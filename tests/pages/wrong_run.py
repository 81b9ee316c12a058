"""A run that goes wrong: an agent hands over to another, whose tool fails twice and then works."""

import json
import os
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.pages.teller import MINUTE, SECOND, Teller, asks
from tests.server.otlp import post

AGO = 9 * MINUTE
QUESTION = "I want a refund for order 4711. It came late and the box was open."
ORDER = {"order": 4711, "state": "delivered", "days_late": 3, "price_usd": 42.5}
LOOK_UP = {"type": "tool_call", "id": "call_1", "name": "lookup_order", "arguments": {"order": 4711}}
REFUND = {**LOOK_UP, "id": "call_2", "name": "refund", "arguments": {"order": 4711, "usd": 42.5}}


def wrong(teller: Teller) -> None:
    """Send the run; a score is given to its last call, and its service logs a line."""
    trace = os.urandom(16)
    root = teller.agent(
        trace,
        b"",
        AGO,
        24 * SECOND,
        "triage",
        session__id="session-wrong",
        user__id="user-ana",
        mlobs__input=json.dumps({"question": QUESTION}),
    )
    history = _triage(teller, trace, root)
    refunds = teller.agent(
        trace, root.span_id, AGO - 5 * SECOND, 18 * SECOND, "refunds", mlobs__agent__caller="triage"
    )
    teller.chat(
        trace,
        refunds.span_id,
        AGO - 5 * SECOND - 90_000_000,
        3 * SECOND,
        "claude-sonnet",
        history,
        gen_ai__output__messages=json.dumps([{"role": "assistant", "parts": [REFUND]}]),
    )
    _refund(teller, trace, refunds)
    last = _answer(teller, trace, refunds, history)
    teller.story.ids["wrong"], teller.story.spans["chat"] = trace.hex(), last.span_id.hex()
    _logs(teller, trace, last.span_id)


def _triage(teller: Teller, trace: bytes, root: Any) -> list[dict[str, Any]]:
    """Add what the first agent does, and return what was said by then."""
    system = [{"type": "text", "content": "You are the support desk of a shop. Be brief."}]
    asked = [asks(QUESTION)]
    answered = {"role": "assistant", "parts": [LOOK_UP], "finish_reason": "tool_call"}
    teller.chat(
        trace,
        root.span_id,
        AGO - 50_000_000,
        2 * SECOND,
        "gpt-4o",
        asked,
        gen_ai__system_instructions=json.dumps(system),
        gen_ai__output__messages=json.dumps([answered]),
    )
    teller.tool(
        trace,
        root.span_id,
        AGO - 3 * SECOND,
        800_000_000,
        "lookup_order",
        gen_ai__tool__call__id="call_1",
        gen_ai__tool__call__arguments=json.dumps({"order": 4711}),
        gen_ai__tool__call__result=json.dumps(ORDER),
    )
    handoff = root.events.add(name="mlobs.handoff", time_unix_nano=teller.now_ns - AGO + 5 * SECOND)
    for key, text in (("from", "triage"), ("to", "refunds"), ("reason", "money is to be paid back")):
        handoff.attributes.add(key=f"mlobs.handoff.{key}").value.string_value = text
    result = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": ORDER}]}
    return [*asked, answered, result]


def _refund(teller: Teller, trace: bytes, refunds: Any) -> None:
    """Add the tool that fails twice."""
    for number in range(3):
        fails = number < 2
        tool = teller.tool(
            trace,
            refunds.span_id,
            AGO - (9 + number * 4) * SECOND,
            3 * SECOND,
            "refund",
            error="The payment system refused: 503" if fails else "",
            gen_ai__tool__call__arguments=json.dumps({"order": 4711, "usd": 42.5}),
            **(
                {"error__type": "PaymentError"}
                if fails
                else {"gen_ai__tool__call__result": '{"refunded":true}'}
            ),
        )
        if fails:
            event = tool.events.add(name="exception", time_unix_nano=tool.end_time_unix_nano)
            for key, text in (
                ("type", "PaymentError"),
                ("message", "503"),
                ("stacktrace", "Traceback ...\n  shop.py"),
            ):
                event.attributes.add(key=f"exception.{key}").value.string_value = text
            if number == 0:
                teller.story.spans["failed"] = tool.span_id.hex()


def _answer(teller: Teller, trace: bytes, refunds: Any, history: list[dict[str, Any]]) -> Any:
    """Add the last call, which thinks before it answers."""
    said = "I have refunded $42.50. It arrives in three to five days."
    parts = [{"type": "reasoning", "content": "The refund went through."}, {"type": "text", "content": said}]
    return teller.chat(
        trace,
        refunds.span_id,
        AGO - 21 * SECOND,
        2 * SECOND,
        "claude-sonnet",
        [*history, {"role": "assistant", "parts": [REFUND]}],
        gen_ai__output__messages=json.dumps([{"role": "assistant", "parts": parts, "finish_reason": "stop"}]),
    )


def _logs(teller: Teller, trace: bytes, span_id: bytes) -> None:
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    records = resource.scope_logs.add().log_records
    for name, number, body, given in (
        (
            "gen_ai.evaluation.result",
            9,
            "",
            {
                "gen_ai.evaluation.name": "helpful",
                "gen_ai.evaluation.score.value": 0.85,
                "gen_ai.evaluation.explanation": "It answers and says when.",
                "mlobs.evaluation.by": "judge:v3",
            },
        ),
        ("", 13, "the payment system was slow: 503 twice", {"attempt": "2"}),
    ):
        record = records.add(
            time_unix_nano=teller.now_ns - AGO,
            trace_id=trace,
            span_id=span_id,
            severity_number=number,
            severity_text="WARN" if number > 9 else "INFO",
            event_name=name,
        )
        record.body.string_value = body
        for key, value in given.items():
            pair = record.attributes.add(key=key)
            if isinstance(value, float):
                pair.value.double_value = value
            else:
                pair.value.string_value = value
    assert post(teller.url, request.SerializeToString(), "logs").status_code == 200
