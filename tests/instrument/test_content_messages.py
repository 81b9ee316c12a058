"""Messages of every client are recorded as the conventions have them."""

import pytest

import mlobs
from mlobs.instrument.content import capture
from tests.instrument.recorded import chat, recorded

TOOL_CALL = {"type": "tool_call", "id": "c1", "name": "refund", "arguments": {"order": "A-17"}}
SENT_TO_OPENAI = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": "https://x.org/a.png"}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "refund", "arguments": '{"order": "A-17"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "paid"},
]


def test_a_stream_too_long_to_be_kept_says_that_it_is_cut(monkeypatch):
    """Answers of more words than that look whole and are not."""
    monkeypatch.setattr(capture, "STREAM_ITEMS_MAX", 2)
    for words, cut in ((["a"], None), (["a", "b"], None), (["a", "b", "c"], True)):
        found = recorded("llm", chat, "hi", items=words)
        assert found["gen_ai.output.messages"][0]["parts"][0]["content"] == "".join(words[:2])
        assert found.get("mlobs.content.truncated") == cut
    off = recorded("llm", chat, "hi", items=["a", "b", "c"], capture={"messages": "full", "return": "off"})
    assert "mlobs.content.truncated" not in off


def test_messages_of_openai_are_written_as_the_conventions_have_them():
    """Chat and responses, requests and answers, dicts and the client's objects."""
    from openai.types.chat import ChatCompletion
    from openai.types.responses import Response

    calls = SENT_TO_OPENAI[2]["tool_calls"]
    answer = ChatCompletion.model_validate(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "tool_calls",
                    "message": {
                        "role": "assistant",
                        "content": "Sure",
                        "tool_calls": calls,
                    },
                }
            ],
        }
    )
    found = recorded("llm", chat, SENT_TO_OPENAI, result=answer)
    assert found["gen_ai.input.messages"] == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "What is it?"},
                {"type": "uri", "modality": "image", "uri": "https://x.org/a.png"},
            ],
        },
        {"role": "assistant", "parts": [TOOL_CALL]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "response": "paid", "id": "c1"}]},
    ]
    assert found["gen_ai.output.messages"] == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Sure"}, TOOL_CALL]}
    ]
    assert found["gen_ai.response.finish_reasons"] == ("tool_call",)
    whole = Response.model_construct(
        status="completed",
        output=[
            {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes"}]},
            {"type": "function_call", "call_id": "c1", "name": "refund", "arguments": '{"order": "A-17"}'},
        ],
    )
    [said] = recorded("llm", chat, "hi", result=whole)["gen_ai.output.messages"]
    assert said["parts"] == [
        {"type": "reasoning", "content": "hm"},
        {"type": "text", "content": "Yes"},
        TOOL_CALL,
    ]


@pytest.mark.slow
def test_messages_of_anthropic_google_and_langchain_are_too():
    """The same conversation, whoever speaks."""
    from anthropic.types import Message
    from google.genai import types
    from langchain_core.messages import AIMessage, HumanMessage

    answer = Message.model_validate(
        {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "c",
            "stop_reason": "tool_use",
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "Yes"},
                {"type": "tool_use", "id": "c1", "name": "refund", "input": {"order": "A-17"}},
            ],
        }
    )
    expected = [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "Yes"}, TOOL_CALL]
    found = recorded("llm", chat, [{"role": "user", "content": "hi"}], result=answer)
    assert found["gen_ai.output.messages"][0]["parts"] == expected
    assert found["gen_ai.response.finish_reasons"] == ("tool_call",)
    content = types.Content(
        role="user",
        parts=[
            types.Part(text="hi"),
            types.Part.from_bytes(data=b"\x89PNG\r\n\x1a\n", mime_type="image/png"),
        ],
    )
    google = types.GenerateContentResponse.model_validate(
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "Yes"}]}, "finish_reason": "STOP"}]}
    )
    found = recorded("llm", chat, [content], result=google)
    text, image = found["gen_ai.input.messages"][0]["parts"]
    assert text == {"type": "text", "content": "hi"}
    assert (image["modality"], image["mime_type"], image["size"]) == ("image", "image/png", 8)
    assert found["gen_ai.output.messages"] == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Yes"}]}
    ]
    assert found["gen_ai.response.finish_reasons"] == ("stop",)
    said = AIMessage("Yes", tool_calls=[{"name": "refund", "args": {"order": "A-17"}, "id": "c1"}])
    found = recorded("llm", chat, [HumanMessage("hi")], result=said)
    assert found["gen_ai.input.messages"][0]["role"] == "user"
    assert found["gen_ai.output.messages"][0]["parts"] == [{"type": "text", "content": "Yes"}, TOOL_CALL]


def test_streams_of_the_clients_become_one_message():
    """Text and tool calls come in pieces."""
    from openai.types.chat import ChatCompletionChunk

    def chunk(delta, finish=None):
        return ChatCompletionChunk.model_validate(
            {
                "id": "1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m",
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
            }
        )

    items = [
        chunk({"role": "assistant", "content": "Su"}),
        chunk({"content": "re"}),
        chunk(
            {
                "tool_calls": [
                    {"index": 0, "id": "c1", "function": {"name": "refund", "arguments": '{"order": '}}
                ]
            }
        ),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"A-17"}'}}]}),
        chunk({}, "tool_calls"),
    ]
    found = recorded("llm", chat, "hi", items=items)
    assert found["gen_ai.output.messages"][0]["parts"] == [{"type": "text", "content": "Sure"}, TOOL_CALL]
    assert found["gen_ai.response.finish_reasons"] == ("tool_call",)
    events = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Su"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "re"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
    ]
    found = recorded("llm", chat, "hi", items=events)
    assert found["gen_ai.output.messages"][0]["parts"] == [{"type": "text", "content": "Sure"}]
    assert found["gen_ai.response.finish_reasons"] == ("stop",)


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (("history", "user"), ["hello", "hi", "and now?"]),
        (("messages", "question"), ["hello", "hi", "and now?"]),
        (("history", "model"), ["hello", "hi"]),  # no word of anybody's
    ],
)
def test_what_is_said_to_a_conversation_is_part_of_it(arguments, texts):
    """`turn(history, user)`: the history ends with an answer, and the question is the other argument."""
    history, other = arguments
    functions = {
        ("history", "user"): lambda history, user: None,
        ("messages", "question"): lambda messages, question: None,
        ("history", "model"): lambda history, model: None,
    }
    past = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    for noun in ("llm", "agent"):
        found = recorded(noun, functions[history, other], past, "and now?", result="yes")
        said = found["gen_ai.input.messages"]
        assert [part["content"] for one in said for part in one["parts"]] == texts
    asked = [*past, {"role": "user", "content": "and now?"}]
    found = recorded("llm", functions[history, other], asked, "ana", result="yes")
    assert len(found["gen_ai.input.messages"]) == 3  # nothing is open, so the other is something else


@pytest.mark.parametrize(
    "result",
    [
        {"candidates": ["Ana", "Bob"]},
        {"choices": ["left", "right"]},
        {"output": ["a", 1, None]},
        {"choices": [{"message": {"tool_calls": 5, "content": ""}}]},
        {
            "choices": [
                {"message": {"tool_calls": [{"function": {"arguments": "[" * 100_000}}], "content": ""}}
            ]
        },
        {"choices": [{"message": {"content": [{"type": ["text"], "function_call": "x"}]}}]},
        {"candidates": [{"content": {"parts": 5}}]},
        {"candidates": [{"content": "x"}]},
    ],
)
def test_answers_that_only_look_like_a_providers_are_recorded(result):
    """Programs return dicts with `candidates` and `type` of their own."""
    sent = [{"type": ["odd"], "role": "user", "content": [{"format": ["wav"], "data": "x", "type": {}}]}]
    for items in (None, [result]):
        found = recorded("llm", chat, sent, result=result, items=items)
        assert found["gen_ai.output.messages"]
        assert found["gen_ai.input.messages"]


def test_content_that_cannot_be_rendered_costs_the_content_only(sink):
    """A span says when, how long, how much and whether it failed."""
    reached = []

    class Sum(int):
        def __int__(self):
            reached.append(self)
            raise RuntimeError

    @mlobs.tool(capture="full")
    def work(total):
        return total

    work(Sum(3))
    assert mlobs.flush()
    [span] = sink.named("execute_tool work")
    assert reached
    assert span.attributes["mlobs.content.dropped"] is True
