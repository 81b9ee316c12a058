"""Settings are rows; wrong ones are one sentence."""

import re

import pytest

from mlobs.errors import SettingError
from mlobs.settings import (
    SETTINGS,
    AlertSettings,
    ClientSettings,
    SdkSettings,
    ServerSettings,
    from_flags,
    load,
    variable,
)

ROWS = [(kind, field) for kind in SETTINGS for field in kind.model_fields]


@pytest.mark.parametrize(("kind", "field"), ROWS, ids=lambda part: getattr(part, "__name__", part))
def test_every_setting_has_a_variable_and_a_sentence(kind, field):
    """Help and README are written from them."""
    assert re.fullmatch(r"(MLOBS|OTEL)_[A-Z_]+", variable(kind, field))
    assert (kind.model_fields[field].description or "").endswith(".")


def test_what_is_given_wins_over_the_environment(monkeypatch):
    """Flag, variable, default."""
    monkeypatch.setenv("MLOBS_PORT", "5000")
    assert load(ServerSettings).port == 5000
    assert load(ServerSettings, port=6000).port == 6000
    assert load(ServerSettings, port=None).port == 5000
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/")
    assert load(SdkSettings).endpoint == "http://collector:4318"


@pytest.mark.parametrize(
    ("name", "value", "kind", "sentence"),
    [
        (
            "MLOBS_PORT",
            "http",
            ServerSettings,
            "MLOBS_PORT='http' cannot be used: a whole number was expected (default: 4318).",
        ),
        ("MLOBS_PORT", "70000", ServerSettings, "MLOBS_PORT='70000' cannot be used"),
        ("MLOBS_QUEUE_SPANS_MAX", "0", SdkSettings, "greater than or equal to 1 (default: 50000)."),
    ],
)
def test_a_wrong_variable_is_named_with_its_value(monkeypatch, name, value, kind, sentence):
    """At start, by name."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=re.escape(sentence)):
        load(kind)


def test_what_was_given_is_named_as_it_was_given(monkeypatch):
    """Whoever typed --port looks for --port, whoever wrote endpoint= for endpoint."""
    monkeypatch.setenv("MLOBS_PORT", "5000")
    with pytest.raises(SettingError, match=r"^--port 99999 cannot be used: .*65535 \(default: 4318\)\.$"):
        from_flags(ServerSettings, port=99_999)
    with pytest.raises(SettingError, match=r"^endpoint='localhost:4318' cannot be used: an address such"):
        load(SdkSettings, endpoint="localhost:4318")
    monkeypatch.setenv("MLOBS_BODY_BYTES_MAX", "7")
    with pytest.raises(SettingError, match=r"^MLOBS_BODY_BYTES_MAX='7' cannot be used"):
        from_flags(ServerSettings, port=1)


@pytest.mark.parametrize(
    "address", ["http://h:port", "http://h:70000", "http://[::1", "http://a b", "h:80", "http://"]
)
def test_an_address_that_nobody_can_be_at_is_refused(monkeypatch, address):
    """At start, and not in the words of whoever tries to connect."""
    monkeypatch.setenv("MLOBS_SERVER", address)
    with pytest.raises(SettingError, match=r"^MLOBS_SERVER='.* cannot be used: an address such as"):
        load(ClientSettings)


def test_an_address_loses_what_copying_leaves_at_its_ends(monkeypatch):
    """A blank, a line's end, a slash."""
    monkeypatch.setenv("MLOBS_SERVER", " http://[::1]:4318/ \n")
    assert load(ClientSettings).server == "http://[::1]:4318"


def test_a_default_of_nothing_is_not_shown(monkeypatch):
    """None is a word for programmers."""
    monkeypatch.setenv("MLOBS_ALERT_WEBHOOK_URL", "nowhere")
    with pytest.raises(SettingError, match=r"was expected\.$"):
        load(AlertSettings)


@pytest.mark.parametrize(("kind", "field"), ROWS, ids=lambda part: getattr(part, "__name__", part))
def test_an_empty_variable_counts_as_unset(monkeypatch, kind, field):
    """Compose files and shells pass on what is not set as an empty string."""
    monkeypatch.setenv(variable(kind, field), "")
    assert getattr(load(kind), field) == kind.model_fields[field].get_default(call_default_factory=True)


def test_a_secret_is_never_shown(monkeypatch):
    """Not in a repr and not in an error."""
    monkeypatch.setenv("MLOBS_ALERT_WEBHOOK_SECRET", "hunter2")
    assert "hunter2" not in repr(load(AlertSettings))
