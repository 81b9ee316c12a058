"""What is recorded of arguments and results, and when nothing is."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlobs
from mlobs.errors import SettingError
from mlobs.instrument.content.capture import Capture
from mlobs.instrument.content.fitting import fitted
from mlobs.instrument.content.policy import Defaults, policy_of
from mlobs.instrument.content.snapshots import DEPTH_MAX, VALUES_MAX, Snapshots
from mlobs.semconv import spans
from mlobs.settings import SdkSettings, load, read_content
from tests.instrument.recorded import chat, recorded


def test_nothing_is_recorded_unless_somebody_asks(sink):
    """Prompts are the most private thing a program has."""

    @mlobs.tool
    def quiet(card):
        return card

    quiet("4111")
    assert mlobs.flush()
    [span] = sink.named("execute_tool quiet")
    assert not [key for key, value in span.attributes.items() if "4111" in str(value)]


def test_a_decorator_can_ask_for_its_own_calls(sink):
    """By argument, and with names that are never recorded."""

    @mlobs.tool(capture={"order": "full", "note": "redacted", "return": "full"}, redact=["card_no"])
    def refund(order, note, secret, card):
        order["changed"] = True
        return {"paid": 3, "card_no": "4111"}

    refund({"id": "A-17", "card_no": "4111"}, "mail ana@example.org", "never", card="never")
    assert mlobs.flush()
    [span] = sink.named("execute_tool refund")
    assert json.loads(span.attributes["gen_ai.tool.call.arguments"]) == {
        "order": {"id": "A-17", "card_no": "[removed: by name]"},  # as it was at the call
        "note": "mail [removed: email]",
    }
    assert json.loads(span.attributes["gen_ai.tool.call.result"]) == {
        "paid": 3,
        "card_no": "[removed: by name]",
    }


def test_streams_record_what_was_said(sink):
    """Joined, not chunk by chunk; `reduce` decides otherwise."""

    @mlobs.llm(model="m", capture="full")
    def answer(prompt):
        yield "Hel"
        yield "lo"

    @mlobs.step(capture="full", reduce=sum)
    def numbers():
        yield 1
        yield 2

    assert (list(answer("hi")), list(numbers())) == (["Hel", "lo"], [1, 2])
    assert mlobs.flush()
    [said] = json.loads(sink.named("chat m")[0].attributes["gen_ai.output.messages"])
    assert said == {"role": "assistant", "parts": [{"type": "text", "content": "Hello"}]}
    assert sink.named("step numbers")[0].attributes["mlobs.output"] == "3"


@pytest.mark.parametrize(
    ("noun", "result", "expected"),
    [
        ("tool", 7, {"gen_ai.tool.call.arguments": {"q": "x"}, "gen_ai.tool.call.result": {"result": 7}}),
        (
            "retrieval",
            [{"id": 1}],
            {"gen_ai.retrieval.query.text": "x", "gen_ai.retrieval.documents": [{"id": 1}]},
        ),
        ("memory", ["a"], {"gen_ai.memory.query.text": "x", "gen_ai.memory.records": ["a"]}),
        ("step", {"b": 1}, {"mlobs.input": {"q": "x"}, "mlobs.output": {"b": 1}}),
        ("embedding", [0.1], {}),
        (
            "agent",
            "done",
            {
                "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "x"}]}],
                "gen_ai.output.messages": [
                    {"role": "assistant", "parts": [{"type": "text", "content": "done"}]}
                ],
            },
        ),
    ],
)
def test_each_noun_has_its_attributes(noun, result, expected):
    """The conventions say where content goes; where they say nothing it is ours."""

    def function(self, q):
        """Its `self` is no content."""

    assert recorded(noun, function, object(), "x", result=result) == expected


class Exploding:
    """Its author never expected to be looked at."""

    def __init__(self):
        self.field = "kept"

    def __repr__(self):
        raise RuntimeError

    def __getattr__(self, name):
        raise RuntimeError

    @property
    def slow(self):
        raise AssertionError("no code of the program runs in a snapshot")


def cyclic():
    found = {"a": 1}
    found["self"] = found
    return found


HOSTILE = {
    "50 MB": "x" * 50_000_000,
    "cycle": cyclic(),
    "10k keys": {f"k{n}": n for n in range(10_000)},
    "a million": list(range(1_000_000)),
    "dunder": {"__proto__": {"__class__": 1}},
    "not numbers": [float("nan"), float("inf"), 10**400],
    "surrogates": "\ud800 alone",
    "bytes": b"\x00\xff" * 1000,
    "exploding": Exploding(),
    "class": Exploding,
    "odd keys": {(1, 2): "tuple", None: "none"},
    "deep": eval("[" * 60 + "]" * 60),
    "kinds": [
        Decimal("1.5"),
        datetime(2026, 1, 1, tzinfo=UTC),
        date(2026, 1, 1),
        {1, 2},
        (3,),
        range(3),
        1 + 2j,
    ],
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("mode", ["redacted", "full"])
def test_whatever_comes_is_bounded_json(name, mode):
    """Content is the user's users' input."""
    found = recorded("step", chat, HOSTILE[name], mode=mode, result=HOSTILE[name])
    text = json.dumps(found)
    assert len(text) < 600_000
    if name in {"50 MB", "10k keys", "a million"}:
        assert found.get("mlobs.content.truncated") is True or "too many values" in text
    if name == "exploding":
        assert found["mlobs.input"] == {"messages": {"field": "kept"}}


def test_arrays_and_frames_are_told_by_their_shape():
    """Their bytes are no text; see test_media for where they go."""
    import numpy as np
    import pandas as pd

    found = recorded("step", chat, np.zeros((3, 4)), result=pd.DataFrame({"a": [1, 2]}))
    assert found["mlobs.input"]["messages"]["shape"] == "3x4"
    assert found["mlobs.output"]["shape"] == "2x1"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=5), inner, max_size=5)
        | st.tuples(inner, inner)
    ),
    max_leaves=30,
)


@given(VALUES, st.sampled_from([row.noun for row in spans.SPANS]), st.sampled_from(["redacted", "full"]))
def test_every_value_can_be_recorded_by_every_noun(value, noun, mode):
    """Also what looks like messages and is none."""
    recorded(noun, chat, value, result=value, items=[value], mode=mode)
    recorded(
        noun, chat, [{"role": "user", "content": value, "parts": value}], result={"choices": value}, mode=mode
    )


@given(VALUES)
def test_a_snapshot_does_not_change_with_its_source(value):
    """It is what the value was at the call."""
    snapshot = Snapshots(lambda _: None).take(value)
    before = repr(snapshot)
    for container in [value] if isinstance(value, list | dict) else []:
        container.clear()
    assert repr(snapshot) == before


@given(
    st.recursive(
        st.text(max_size=200) | st.integers(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
    ),
    st.integers(200, 2000),
)
def test_cut_json_is_whole_json(value, limit):
    """Half a JSON text is no JSON."""
    text, cut = fitted(value, limit)
    json.loads(text)
    assert cut == (len(json.dumps(value, ensure_ascii=False)) > limit)


def test_limits_are_what_they_say():
    """A snapshot is bounded whatever it is of."""
    for outer in (900, 90):
        nested = [[n] * 900 for n in range(outer)]
        snapshot = Snapshots(lambda _: None).take(nested)
        assert repr(snapshot).count(",") < VALUES_MAX + 2000
    deep = current = []
    for _ in range(100):
        current.append([])
        current = current[0]
    assert repr(Snapshots(lambda _: None).take(deep)).count("[") <= DEPTH_MAX + 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("off", {"": "off"}),
        ("redacted,tool=full, llm=off", {"": "redacted", "tool": "full", "llm": "off"}),
        ("tool=full", {"": "off", "tool": "full"}),
    ],
)
def test_content_is_set_for_all_and_by_noun(text, expected):
    """One variable, read by operators."""
    assert read_content(text) == expected


@pytest.mark.parametrize("text", ["redcated", "tool", "tols=full", "tool=ful"])
def test_a_typo_in_the_setting_is_told(monkeypatch, text):
    """Content that is recorded by mistake cannot be taken back, nor content that is missing."""
    monkeypatch.setenv("MLOBS_CONTENT", text)
    with pytest.raises(SettingError, match=r"MLOBS_CONTENT='.*' cannot be used: off, redacted or full"):
        load(SdkSettings)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("NO_CONTENT", "off"),
        ("SPAN_ONLY", "redacted"),
        ("true", "redacted"),
        ("EVENT_ONLY", "off"),
        ("", "off"),
    ],
)
def test_opentelemetrys_variable_is_honoured(monkeypatch, told, expected):
    """It asks for content; secrets are removed all the same."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", told)
    assert load(SdkSettings).content == expected
    monkeypatch.setenv("MLOBS_CONTENT", "full")
    assert load(SdkSettings).content == "full"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"capture": "ful"},
            "'ful' is not known; one of off, redacted, full was expected (did you mean 'full'?)",
        ),
        ({"capture": {"messags": "full"}}, "names 'messags', which is no argument of the function"),
        ({"capture": {"messages": "some"}}, "'some' is not known"),
        ({"redact": "card_no"}, "a list of names was expected, as redact=['card_no']"),
        ({"redact": None}, "(redact=None): a list of names was expected, as redact=['card_no']"),
        ({"redact": [["card_no"]]}, "a list of names was expected"),
        ({"reduce": 3}, "a function that takes a list was expected"),
        # Who writes False means "off"; taken for nothing, the default would record everything.
        ({"capture": False}, "(capture=False): one of off, redacted, full was expected"),
        ({"capture": ["off"]}, "capture='off' records nothing"),
        ({"attributes": ["team"]}, "(attributes=['team']): a dict was expected"),
    ],
)
def test_a_mistake_in_a_decorator_is_told_at_once(options, words):
    """Not when the first prompt has gone out."""
    with pytest.raises(SettingError) as error:
        mlobs.llm(**options)(chat)
    assert words in str(error.value)


def test_names_of_arguments_that_cannot_be_read_are_refused():
    """What cannot be told apart cannot be left out."""
    with pytest.raises(SettingError, match="Decorate a function of your own"):
        mlobs.tool(redact=["key"])(max)
    assert mlobs.tool(max)(1, 2) == 2


def test_secrets_do_not_leave_in_exceptions_or_attributes(sink):
    """Also where content is off: clients put keys and passwords into what they raise."""

    @mlobs.tool
    def connect():
        mlobs.set({"url": "postgres://app:hunter2@db/x", "plain": "fine"})
        raise ConnectionError("cannot reach postgres://app:hunter2@db/x with api_key=abcdef123456")

    with pytest.raises(ConnectionError):
        connect()
    assert mlobs.flush()
    [span] = sink.named("execute_tool connect")
    assert "hunter2" not in repr(span)
    assert "abcdef123456" not in repr(span)
    assert (
        span.message == "cannot reach postgres://app:[removed: password]@db/x with api_key=[removed: secret]"
    )
    assert span.attributes["plain"] == "fine"


def test_a_completion_hook_sees_every_model_call_also_where_content_is_off():
    """Uploads of content are decided there and not here."""
    seen = []

    class Hook:
        def on_completion(self, **given):
            seen.append(given)
            raise RuntimeError("a hook's mistake stays a hook's")

    found = recorded(
        "llm", chat, [{"role": "user", "content": "hi"}], result="yes", defaults=Defaults(hook=Hook())
    )
    assert found == {}
    [given] = seen
    assert (given["inputs"][0].role, given["inputs"][0].parts[0].content) == ("user", "hi")
    assert given["outputs"][0].parts[0].content == "yes"
    assert recorded("tool", chat, "x", defaults=Defaults(hook=Hook())) == {}
    calls = [{"id": "c1", "function": {"name": "pay", "arguments": '{"card_no": "4111"}'}}]
    sent = [{"role": "assistant", "content": None, "tool_calls": calls}]
    recorded("llm", chat, sent, defaults=Defaults(hook=Hook()), redact=["card_no"])
    assert "4111" not in repr(seen[1])
    assert "[removed: by name]" in repr(seen[1])


def test_nothing_to_record_costs_nothing():
    """The capture is absent, not idle."""
    policy = policy_of(spans.TOOL, chat, capture=None, redact=(), reduce=None)
    assert policy.resolved(Defaults()) is None
    assert isinstance(policy.resolved(Defaults("full")), Capture)
    assert policy.resolved(Defaults("full", {"tool": "off"})) is None


def test_names_are_removed_from_arguments_that_a_model_wrote():
    """They come as text inside of messages, and become structures on the way."""
    calls = [{"id": "c1", "function": {"name": "pay", "arguments": '{"card_no": "4111", "sum": 3}'}}]
    sent = [{"role": "assistant", "content": None, "tool_calls": calls}]
    found = recorded("llm", chat, sent, result="done", redact=["card_no"])
    [part] = found["gen_ai.input.messages"][0]["parts"]
    assert part["arguments"] == {"card_no": "[removed: by name]", "sum": 3}
