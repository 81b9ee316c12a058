"""Baggage goes to every host a program calls: only what is allowed, and never much."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage
from opentelemetry.context import Context

from mlobs.errors import SettingError
from mlobs.instrument import baggage as ours
from mlobs.instrument.context import Session
from mlobs.semconv.context import SESSION_KEY
from mlobs.settings import SdkSettings

WHOLE = Session("c-1", "ana", {"tier": "gold"}, {"tone": "warm"}, ("support", "7"))


@pytest.fixture(autouse=True)
def _default(monkeypatch):
    monkeypatch.setattr(ours._policy, "allowed", None)
    monkeypatch.delenv(ours.VARIABLE, raising=False)


def test_users_and_tags_stay_at_home_unless_they_are_named():
    """A user's id in the headers of a call to a stranger is a leak."""
    context = ours.with_baggage(WHOLE, Context())
    assert dict(baggage.get_all(context)) == {
        "session.id": "c-1",
        "mlobs.experiment.tone": "warm",
        "gen_ai.prompt.name": "support",
        "gen_ai.prompt.version": "7",
    }
    assert ours.session_of(context) == Session("c-1", None, {}, {"tone": "warm"}, ("support", "7"))


def test_what_is_named_travels_whole():
    ours.allow("session.id, user.id, mlobs.tag.*,mlobs.experiment.*,gen_ai.prompt.name,gen_ai.prompt.version")
    assert ours.session_of(ours.with_baggage(WHOLE, Context())) == WHOLE
    ours.allow("mlobs.tag.tier")
    assert ours.session_of(ours.with_baggage(WHOLE, Context())) == Session(tags={"tier": "gold"})


def test_none_turns_it_off():
    ours.allow("none")
    context = Context()
    assert ours.with_baggage(WHOLE, context) is context
    assert ours.session_of(baggage.set_baggage("session.id", "x", context)) is None


def test_the_variable_is_read_where_nobody_called_init(monkeypatch):
    """With a provider of its own a program need not call `init`."""
    monkeypatch.setenv(ours.VARIABLE, "user.id")
    assert dict(baggage.get_all(ours.with_baggage(WHOLE, Context()))) == {"user.id": "ana"}


def test_a_wrong_variable_lets_nothing_travel(monkeypatch, caplog):
    """What was meant is unknown; the program goes on."""
    monkeypatch.setenv(ours.VARIABLE, "users")
    assert dict(baggage.get_all(ours.with_baggage(WHOLE, Context()))) == {}


def test_the_setting_and_the_code_have_one_default():
    assert SdkSettings.model_fields["baggage"].default == ours.DEFAULT


@pytest.mark.parametrize("wrong", ["tenant", "session", "mlobs.tag.a b", "user.id,*", "mlobs.tag.", "*"])
def test_a_name_that_cannot_travel_is_a_mistake(wrong):
    with pytest.raises(
        SettingError, match=r"MLOBS_BAGGAGE=.* is nothing that travels\. Name some of session\.id"
    ):
        ours.allow(wrong)


def test_a_session_inside_another_leaves_nothing_of_it_behind():
    """A version of one prompt must not travel with the name of another."""
    outer = ours.opened(WHOLE, baggage.set_baggage("tenant", "5", Context()))
    inner = ours.opened(Session(prompt=("refunds", None)), outer)
    assert dict(baggage.get_all(inner)) == {
        "tenant": "5",
        "session.id": "c-1",
        "mlobs.experiment.tone": "warm",
        "gen_ai.prompt.name": "refunds",
    }
    assert inner[SESSION_KEY].user == "ana"


def test_a_session_that_came_by_baggage_completes_the_one_opened_here():
    carried = ours.with_baggage(Session("c-1", experiments={"tone": "warm"}), Context())
    whole = ours.session_in(ours.opened(Session(user="ana"), carried))
    assert whole == Session("c-1", "ana", {}, {"tone": "warm"})


def test_entries_of_others_stay_and_are_not_read():
    context = baggage.set_baggage("user.id", "mallory", baggage.set_baggage("tenant", "5", Context()))
    assert ours.session_of(context) is None
    assert dict(baggage.get_all(ours.with_baggage(Session("c"), context))) == {
        "tenant": "5",
        "user.id": "mallory",
        "session.id": "c",
    }


def test_what_is_too_much_is_left_out():
    """64 entries and 4 KB; a value that is too long is no value."""
    ours.allow("session.id,mlobs.tag.*")
    many = ours.with_baggage(Session("c", tags={f"t{n}": "v" for n in range(500)}), Context())
    assert len(baggage.get_all(many)) == ours.ENTRIES_MAX
    large = ours.with_baggage(Session("c", tags={f"t{n}": "ü" * 200 for n in range(50)}), Context())
    assert len(baggage.get_all(large)) == 4  # each takes 1,200 bytes of the header
    long = ours.with_baggage(Session("c" * 257, tags={"a": "b", "no good": "b"}), Context())
    assert dict(baggage.get_all(long)) == {"mlobs.tag.a": "b"}


def test_a_stranger_cannot_bring_odd_names_or_long_values():
    ours.allow("session.id,mlobs.tag.*")
    context = Context()
    for key, value in {
        "session.id": "x" * 300,
        "mlobs.tag.": "empty",
        "mlobs.tag.a\nb": "newline",
        f"mlobs.tag.{'k' * 65}": "long",
        "mlobs.tag.ok": "ok",
        "mlobs.tag.bell": "\x07",
    }.items():
        context = baggage.set_baggage(key, value, context)
    assert ours.session_of(context) == Session(tags={"ok": "ok"})


WORDS = st.text(max_size=300)
MAYBE = st.none() | WORDS


@given(
    st.builds(
        Session,
        id=MAYBE,
        user=MAYBE,
        tags=st.dictionaries(WORDS, WORDS | st.integers() | st.booleans(), max_size=80),
        experiments=st.dictionaries(WORDS, WORDS, max_size=80),
        prompt=st.none() | st.tuples(WORDS, MAYBE),
    )
)
def test_any_session_goes_in_within_the_limits_and_comes_out_as_part_of_itself(session):
    ours.allow("session.id,user.id,mlobs.tag.*,mlobs.experiment.*,gen_ai.prompt.name,gen_ai.prompt.version")
    context = ours.with_baggage(session, Context())
    assert len(baggage.get_all(context)) <= ours.ENTRIES_MAX
    found = ours.session_of(context)
    if found is not None:
        assert found.id in {None, session.id}
        assert found.experiments.items() <= session.experiments.items()
        assert found.tags.items() <= {key: str(value) for key, value in session.tags.items()}.items()


@given(st.dictionaries(st.text(max_size=90), st.text(max_size=300) | st.integers() | st.none(), max_size=100))
def test_any_baggage_makes_a_session_or_none(entries):
    ours.allow("session.id,mlobs.tag.*")
    found = ours.session_of(Context({ours.BAGGAGE_KEY: entries}))
    assert found is None or len(found.tags) <= ours.ENTRIES_MAX
