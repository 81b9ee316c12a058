"""What the pages are looked at with: real requests of OTLP, as programs send them.

A shop's agents over the last hours, one run that goes wrong, one that is in progress, one with hostile
names and contents, one with pictures and sound, and one of very many spans.
"""

import json
import os
import time
from base64 import b64encode
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.pages.teller import MODELS, SECOND, Story, Teller, png, wav
from tests.server.otlp import post

MINUTE = 60 * SECOND
QUESTIONS = (
    "Where is my parcel? It was to come on Tuesday.",
    "I want a refund for order 4711.",
    "Can you change the address of my last order to Harbour Street 5?",
    "The lamp arrived broken. What now?",
)
HOSTILE = {
    "script": "<script>document.title='owned'</script><img src=x onerror=alert(1)>",
    "direction": "safe\u202egnp.exe\u2066 \u200f",
    "null": "a\x00b\x1b[31m",
    "markup": "</textarea></pre>\"'><svg onload=alert(1)>",
    "quotes": "{{ 7 * 7 }} ${7*7} ' \" ` \\",
}


def tell(url: str, *, usual: int = 160, many: int = 0) -> Story:
    """Send the story.

    Args:
        url: Of the server.
        usual: Ordinary runs.
        many: Spans of the large trace; 0 for none.
    """
    teller = Teller(url, time.time_ns())
    for number in range(usual):
        _usual(teller, (number + 1) * 6 * MINUTE + teller.chance.randrange(5) * MINUTE)
    for act in (_wrong, _running, _hostile, _media, _looping, _talk, _careless):
        act(teller)
    teller.send()
    if many:
        _many(teller, many)
    return teller.story


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "parts": [{"type": "text", "content": text}]}


def _usual(teller: Teller, ago: int) -> None:
    trace, chance = os.urandom(16), teller.chance
    question, model = chance.choice(QUESTIONS), chance.choice(list(MODELS))
    took = chance.randrange(1500, 9000) * SECOND // 1000
    fails = chance.random() < 0.08
    root = teller.agent(
        trace,
        b"",
        ago,
        took,
        chance.choice(("support", "orders")),
        session__id=f"session-{chance.randrange(30)}",
        user__id=f"user-{chance.randrange(20)}",
        mlobs__input=json.dumps({"question": question}),
        mlobs__output=json.dumps("Here is what I found."),
    )
    first = took // 3
    teller.chat(trace, root.span_id, ago - 10_000_000, first, model, [_user(question)])
    teller.tool(
        trace,
        root.span_id,
        ago - first,
        took // 5,
        chance.choice(("lookup_order", "search_help")),
        error="The order system did not answer." if fails else "",
        **({"error__type": "TimeoutError"} if fails else {}),
    )
    teller.chat(trace, root.span_id, ago - first - took // 5, took // 3, model, [_user(question)])
    teller.story.ids.setdefault("usual", trace.hex())


def _wrong(teller: Teller) -> None:
    """An agent hands over to another, whose tool fails twice and then works; a score is given."""
    trace, ago = os.urandom(16), 9 * MINUTE
    system = [{"type": "text", "content": "You are the support desk of a shop. Be brief."}]
    question = "I want a refund for order 4711. It came late and the box was open."
    root = teller.agent(
        trace,
        b"",
        ago,
        24 * SECOND,
        "triage",
        session__id="session-wrong",
        user__id="user-ana",
        mlobs__input=json.dumps({"question": question}),
    )
    call = {"type": "tool_call", "id": "call_1", "name": "lookup_order", "arguments": {"order": 4711}}
    asked = [_user(question)]
    answered = {"role": "assistant", "parts": [call], "finish_reason": "tool_call"}
    teller.chat(
        trace,
        root.span_id,
        ago - 50_000_000,
        2 * SECOND,
        "gpt-4o",
        asked,
        gen_ai__system_instructions=json.dumps(system),
        gen_ai__output__messages=json.dumps([answered]),
    )
    order = {"order": 4711, "state": "delivered", "days_late": 3, "price_usd": 42.5}
    teller.tool(
        trace,
        root.span_id,
        ago - 3 * SECOND,
        800_000_000,
        "lookup_order",
        gen_ai__tool__call__id="call_1",
        gen_ai__tool__call__arguments=json.dumps({"order": 4711}),
        gen_ai__tool__call__result=json.dumps(order),
    )
    handoff = root.events.add(name="mlobs.handoff", time_unix_nano=teller.now_ns - ago + 5 * SECOND)
    for key, text in (("from", "triage"), ("to", "refunds"), ("reason", "money is to be paid back")):
        handoff.attributes.add(key=f"mlobs.handoff.{key}").value.string_value = text
    refunds = teller.agent(
        trace, root.span_id, ago - 5 * SECOND, 18 * SECOND, "refunds", mlobs__agent__caller="triage"
    )
    result = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": order}]}
    again = {**call, "id": "call_2", "name": "refund", "arguments": {"order": 4711, "usd": 42.5}}
    history = [*asked, answered, result]
    teller.chat(
        trace,
        refunds.span_id,
        ago - 5 * SECOND - 90_000_000,
        3 * SECOND,
        "claude-sonnet",
        history,
        gen_ai__output__messages=json.dumps([{"role": "assistant", "parts": [again]}]),
    )
    for number in range(3):
        fails = number < 2
        tool = teller.tool(
            trace,
            refunds.span_id,
            ago - (9 + number * 4) * SECOND,
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
    said = "I have refunded $42.50. It arrives in three to five days."
    last = teller.chat(
        trace,
        refunds.span_id,
        ago - 21 * SECOND,
        2 * SECOND,
        "claude-sonnet",
        [*history, {"role": "assistant", "parts": [again]}],
        gen_ai__output__messages=json.dumps(
            [
                {
                    "role": "assistant",
                    "parts": [
                        {"type": "reasoning", "content": "The refund went through."},
                        {"type": "text", "content": said},
                    ],
                    "finish_reason": "stop",
                }
            ]
        ),
    )
    teller.story.ids["wrong"], teller.story.spans["chat"] = trace.hex(), last.span_id.hex()
    _logs(teller, trace, last.span_id)


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
            time_unix_nano=teller.now_ns - 9 * MINUTE,
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


def _running(teller: Teller) -> None:
    """Its root has not come."""
    trace, parent = os.urandom(16), os.urandom(8)
    teller.chat(trace, parent, 40 * SECOND, 2 * SECOND, "gpt-4o", [_user("Write the weekly report.")])
    teller.tool(trace, parent, 30 * SECOND, 12 * SECOND, "collect_figures")
    teller.story.ids["running"] = trace.hex()


def _hostile(teller: Teller) -> None:
    trace = os.urandom(16)
    root = teller.span(
        HOSTILE["script"],
        3 * MINUTE,
        2 * SECOND,
        trace=trace,
        service=HOSTILE["markup"],
        **{f"shop__{name}": text for name, text in HOSTILE.items()},
    )
    for number in range(1_200):
        root.attributes.add(key=f"key.{number:05d}<b>").value.string_value = f"value {number}"
    root.attributes.add(key=HOSTILE["script"]).value.string_value = HOSTILE["script"]
    messages = [_user(text) for text in HOSTILE.values()]
    teller.chat(
        trace,
        root.span_id,
        3 * MINUTE - SECOND,
        SECOND // 2,
        "gpt-4o",
        messages,
        gen_ai__output__messages=json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": HOSTILE["script"]}]}]
        ),
    )
    huge = "A very long prompt. " * 500_000
    big = teller.chat(trace, root.span_id, 3 * MINUTE - SECOND, SECOND // 2, "gpt-4o", huge)
    error = teller.tool(
        trace, root.span_id, 2 * MINUTE, SECOND // 3, HOSTILE["quotes"], error=HOSTILE["markup"]
    )
    error.attributes.add(key="shop.bytes").value.bytes_value = b"\xff\xfe\x00"
    teller.story.ids["hostile"] = trace.hex()
    teller.story.spans |= {"hostile": root.span_id.hex(), "huge": big.span_id.hex()}


def _media(teller: Teller) -> None:
    trace = os.urandom(16)
    root = teller.agent(
        trace,
        b"",
        5 * MINUTE,
        4 * SECOND,
        "inspector",
        mlobs__input='{"photo": "lamp.png"}',
        session__id="session-media",
    )
    parts = [
        {"type": "text", "content": "What is wrong with this lamp? And what is said here?"},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": b64encode(png()).decode()},
        {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": b64encode(wav()).decode()},
        {
            "type": "blob",
            "modality": "image",
            "mime_type": "image/svg+xml",
            "content": b64encode(b"<svg onload='alert(1)'/>").decode(),
        },
        {
            "type": "blob",
            "modality": "image",
            "mime_type": "text/html",
            "content": b64encode(b"<script>alert(1)</script>").decode(),
        },
        {
            "type": "uri",
            "modality": "image",
            "mime_type": "image/png",
            "uri": "https://elsewhere.example/lamp.png",
        },
        {"type": "uri", "modality": "image", "uri": "javascript:alert(1)"},
    ]
    chat = teller.chat(
        trace,
        root.span_id,
        5 * MINUTE - 10_000_000,
        3 * SECOND,
        "gpt-4o",
        [{"role": "user", "parts": parts}],
        gen_ai__output__messages=json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": "The shade is cracked."}]}]
        ),
    )
    teller.story.ids["media"], teller.story.spans["media"] = trace.hex(), chat.span_id.hex()


def _looping(teller: Teller) -> None:
    """An agent that asks the same over and over."""
    trace, ago = os.urandom(16), 20 * MINUTE
    root = teller.agent(
        trace, b"", ago, 300 * SECOND, "researcher", mlobs__input='{"task": "compare prices"}'
    )
    for number in range(24):
        teller.chat(
            trace, root.span_id, ago - number * 12 * SECOND, 3 * SECOND, "gpt-4o-mini", [_user("next?")]
        )
        teller.tool(trace, root.span_id, ago - (number * 12 + 4) * SECOND, 2 * SECOND, "fetch_page")
    for number in range(40):
        teller.span(
            "retrieval notes",
            ago - (290 * SECOND + number * SECOND // 10),
            SECOND // 20,
            trace=trace,
            parent=root.span_id,
            mlobs__kind="retrieval",
            gen_ai__operation__name="retrieval",
        )
    teller.story.ids["looping"] = trace.hex()


def _many(teller: Teller, spans: int) -> None:
    """One run of very many spans: steps, each with calls below it."""
    trace, ago, began = os.urandom(16), 30 * MINUTE, 0
    root = teller.agent(trace, b"", ago, 1500 * SECOND, "marathon")
    each, made = 1500 * SECOND // spans, 1
    while made < spans:
        begins = ago - made * each
        step = teller.span(
            f"step {began % 7}", begins, 9 * each, trace=trace, parent=root.span_id, mlobs__kind="step"
        )
        for place in range(min(9, spans - made - 1)):
            failed = made % 4001 == 17
            teller.tool(
                trace,
                step.span_id,
                begins - place * each,
                each,
                f"tool_{place % 3}",
                error="it broke" if failed else "",
            )
            made += 1
        made, began = made + 1, began + 1
        if began % 200 == 0:
            teller.send()
    teller.send()
    teller.story.ids["many"] = trace.hex()


def _talk(teller: Teller) -> None:
    """A conversation of three traces, each call with all that was said before; the second one fails."""
    history: list[dict[str, Any]] = []
    said = (
        ("Which lamps are there?", "Three: brass, glass and paper."),
        ("How much is the brass one?", ""),
        ("And the paper one?", "It is $18.00."),
    )
    for number, (question, answer) in enumerate(said):
        trace, ago = os.urandom(16), (18 - number * 2) * MINUTE
        root = teller.span(
            "POST /chat",
            ago,
            4 * SECOND,
            trace=trace,
            error="" if answer else "The price list did not answer.",
            session__id="talk/of lamps",
            user__id="user-talk",
        )
        history = [*history, _user(question)]
        given = {
            "gen_ai__usage__cache_read__input_tokens": 150 if number else 0,
            "gen_ai__input__messages": json.dumps(history),
        }
        if answer:
            reply = {"role": "assistant", "parts": [{"type": "text", "content": answer}]}
            given["gen_ai__output__messages"] = json.dumps([reply])
            history = [*history, reply]
        teller.chat(trace, root.span_id, ago - SECOND, 2 * SECOND, "gpt-4o", history, **given)
        teller.story.ids[f"talk {number}"] = trace.hex()


def _careless(teller: Teller) -> None:
    """A service whose calls tell neither model nor tokens."""
    for number in range(4):
        teller.span(
            "chat",
            number * MINUTE,
            SECOND,
            service="careless",
            mlobs__kind="llm",
            gen_ai__operation__name="chat",
        )
