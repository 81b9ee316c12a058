"""What is removed, what stays, and that no text takes long."""

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.instrument.content.redaction import RULES, SECRETS, redact, redact_secrets, redact_text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.name}: {rule.example[:20]}")
def test_every_rule_removes_its_example_and_keeps_its_near_miss(rule):
    """A rule that eats too much is switched off by its users, and then removes nothing."""
    assert f"[removed: {rule.name}]" in redact_text(rule.example)
    assert redact_text(rule.near_miss) == rule.near_miss


@pytest.mark.parametrize("rule", SECRETS, ids=lambda rule: f"{rule.name}: {rule.example[:20]}")
def test_secrets_are_removed_without_the_rest(rule):
    """Exception texts and attributes lose secrets also where content is off."""
    assert "[removed: " in redact_secrets(rule.example)
    assert redact_secrets("write to ana@example.org") == "write to ana@example.org"


SECRET_VALUES = [
    "sk-proj-a1b2c3d4e5f6g7h8i9j0k1l2",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "ana.maria@example.org",
    "4111 1111 1111 1111",
    "DE89370400440532013000",
]
AROUND = st.text(alphabet=string.ascii_letters + " \n{}[]", max_size=60)


@given(AROUND, st.sampled_from(SECRET_VALUES), AROUND)
def test_planted_values_do_not_pass(before, value, after):
    """Wherever they stand, as long as they stand alone."""
    assert value not in redact_text(f"{before} {value} {after}")


@given(st.text(max_size=300) | st.sampled_from([rule.example for rule in RULES]))
def test_removing_twice_is_removing_once(text):
    """The collector redacts again."""
    once = redact_text(text)
    assert redact_text(once) == once


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    )
)
def test_any_structure_can_be_walked(value):
    """What is walked came from strangers."""
    redact(value, frozenset({"a"}))


def test_keys_say_what_their_values_are():
    """In JSON a password stands alone."""
    given = {
        "password": "hunter2",
        "api_key": "abc",
        "Authorization": "xyz",
        "card_no": {"deep": 1},
        "max_tokens": 512,
        "input_tokens": "100",
        "list": [{"client_secret": "s", "note": "fine"}],
    }
    assert redact(given, frozenset({"card_no"})) == {
        "password": "[removed: secret]",
        "api_key": "[removed: secret]",
        "Authorization": "[removed: secret]",
        "card_no": "[removed: by name]",
        "max_tokens": 512,
        "input_tokens": "100",
        "list": [{"client_secret": "[removed: secret]", "note": "fine"}],
    }
    assert redact(given, frozenset({"card_no"}), rules=False)["password"] == "hunter2"


HOSTILE = [
    "a" * 1_000_000,
    "a@" * 500_000,
    "-----BEGIN PRIVATE KEY-----" * 40_000,
    "-----BEGIN PRIVATE KEY-----" + "-" * 1_000_000,
    "password" * 120_000,
    "password=" * 110_000,
    "secret_" * 140_000,
    "://a:" * 200_000,
    "bearer " * 140_000,
    "1 2-3 4" * 140_000,
    "eyJ" * 330_000,
    "eyJaaaaaaaaaa.eyJaaaa." * 45_000,
    "+1 23 45 67 " * 80_000,
    "A1B2 C3D4 " * 100_000,
    "cookie: " * 125_000,
]


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:24])
def test_no_text_takes_long(text):
    """A megabyte made to be slow must not stop the export: linear, so far from a minute."""
    began = time.process_time()
    redact_text(text)
    assert time.process_time() - began < 30
