"""What the pages are looked at with: real requests of OTLP, as programs send them.

A shop's agents over the last hours, one run that goes wrong, one that is in progress, one with hostile
names and contents, one with pictures and sound, and one of very many spans.
"""

import json
import os
import time
from base64 import b64encode
from typing import Any

from tests.pages.teller import MINUTE, MODELS, SECOND, Story, Teller, asks, png, wav
from tests.pages.wrong_run import wrong

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
    for act in (wrong, _running, _hostile, _media, _looping, _talk, _careless):
        act(teller)
    teller.send()
    if many:
        _many(teller, many)
    return teller.story


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
    teller.chat(trace, root.span_id, ago - 10_000_000, first, model, [asks(question)])
    teller.tool(
        trace,
        root.span_id,
        ago - first,
        took // 5,
        chance.choice(("lookup_order", "search_help")),
        error="The order system did not answer." if fails else "",
        **({"error__type": "TimeoutError"} if fails else {}),
    )
    teller.chat(trace, root.span_id, ago - first - took // 5, took // 3, model, [asks(question)])
    teller.story.ids.setdefault("usual", trace.hex())


def _running(teller: Teller) -> None:
    """Its root has not come."""
    trace, parent = os.urandom(16), os.urandom(8)
    teller.chat(trace, parent, 40 * SECOND, 2 * SECOND, "gpt-4o", [asks("Write the weekly report.")])
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
    messages = [asks(text) for text in HOSTILE.values()]
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
            trace, root.span_id, ago - number * 12 * SECOND, 3 * SECOND, "gpt-4o-mini", [asks("next?")]
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
        history = [*history, asks(question)]
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
