"""Secrets that orchestrators hand out as files."""

import pytest

from mlobs.errors import SettingError
from mlobs.settings import AlertSettings, ClientSettings, ReceiveSettings, ServerSettings, load


def test_a_secret_may_be_in_a_file_without_the_line_end_of_an_editor(monkeypatch, tmp_path):
    """Whatever else is in it is part of the secret."""
    file = tmp_path / "secret"
    file.write_text(" with a blank before it\n")
    for variable, kind, field in (
        ("MLOBS_ALERT_WEBHOOK_SECRET_FILE", AlertSettings, "webhook_secret"),
        ("MLOBS_ALERT_RECEIVE_SECRET_FILE", ReceiveSettings, "secret"),
        ("MLOBS_TOKEN_FILE", ClientSettings, "token"),
    ):
        monkeypatch.setenv(variable, str(file))
        assert getattr(load(kind), field).get_secret_value() == " with a blank before it"


def test_an_argument_wins_over_the_file(monkeypatch, tmp_path):
    """As it wins over the variable."""
    (tmp_path / "secret").write_text("from the file")
    monkeypatch.setenv("MLOBS_TOKEN_FILE", str(tmp_path / "secret"))
    assert load(ClientSettings, token="given").token.get_secret_value() == "given"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, r"The file .*secret, which MLOBS_STORE_FILE names, cannot be read: No such file"),
        (b"\n", r"The file .*secret, which MLOBS_STORE_FILE names, is empty\. Write the secret into it\."),
        (
            b"\xff\xfe",
            r"The file .*secret, which MLOBS_STORE_FILE names, is not UTF-8 text\. Write it anew\.",
        ),
    ],
)
def test_a_file_without_a_secret_is_one_sentence(monkeypatch, tmp_path, content, sentence):
    """A server that starts without its secret would be worse."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("MLOBS_STORE_FILE", str(file))
    with pytest.raises(SettingError, match=sentence):
        load(ServerSettings)


def test_a_secret_that_is_told_twice_is_refused(monkeypatch, tmp_path):
    """Whoever changes one of them would wonder why nothing changed."""
    (tmp_path / "secret").write_text("one")
    monkeypatch.setenv("MLOBS_TOKEN_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("MLOBS_TOKEN", "another")
    with pytest.raises(SettingError, match=r"Both MLOBS_TOKEN and MLOBS_TOKEN_FILE are set; one") as told:
        load(ClientSettings)
    assert "another" not in str(told.value)
