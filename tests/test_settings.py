"""Settings are rows; wrong ones are one sentence."""

import re

import pytest

from mlobs.errors import SettingError
from mlobs.settings import SETTINGS, AlertSettings, SdkSettings, ServerSettings, load, variable

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
            "MLOBS_PORT='http' cannot be used: input should be a valid integer",
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


def test_a_secret_is_never_shown(monkeypatch):
    """Not in a repr and not in an error."""
    monkeypatch.setenv("MLOBS_ALERT_WEBHOOK_SECRET", "hunter2")
    assert "hunter2" not in repr(load(AlertSettings))
