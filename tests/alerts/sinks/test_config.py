"""Sinks as users write them, their secrets, and templates."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict, TypeAdapter, ValidationError

from mlobs.alerts.sinks import SinkConfig, build
from mlobs.alerts.sinks.escaping import address, hypertext, markdown, slack
from mlobs.alerts.sinks.roster import roster
from mlobs.alerts.sinks.secret import Secret
from mlobs.alerts.sinks.template import fill
from mlobs.alerts.sinks.told import told
from mlobs.errors import SettingError
from mlobs.settings import AlertSettings, load
from tests.alerts.sinks.messages import DELIVERY, body

EXAMPLES = """
hook: {type: webhook, url: "https://example.org/h", secret: {env: HOOK_SECRET}}
team: {type: slack, url: {env: SLACK_URL}, title: "${rule} in ${service_name}"}
chat: {type: teams, url: {file: /run/secrets/teams}}
pager:
  {type: pagerduty, routing_key: {file: /run/secrets/pager}, url: "https://events.eu.pagerduty.com/v2/enqueue"}
mail:
  {type: email, host: mail.example.org, sender: a@b.org, to: [b@b.org], username: u, password: {env: P}}
robot: {type: command, argv: [rollback, --yes], timeout_s: 60, env: {TOKEN: {env: DEPLOY_TOKEN}}}
code: {type: callable, function: "shop.automation:retrain"}
"""
ADAPTER = TypeAdapter(dict[str, SinkConfig], config=ConfigDict(hide_input_in_errors=True))


def refusal(**config):
    with pytest.raises(ValidationError) as refused:
        ADAPTER.validate_python({"x": config})
    return str(refused.value)


@pytest.mark.parametrize("kind", ["slack", "teams", "pagerduty"])
def test_an_address_that_holds_a_secret_is_not_sent_to_in_the_clear(kind, monkeypatch):
    """Unless the host is one that is listed, such as a proxy of one's own."""
    monkeypatch.setenv("URL", "http://hooks.example.org/secret")
    monkeypatch.setenv("KEY", "k" * 32)
    given = {"type": kind, "url": {"env": "URL"}}
    if kind == "pagerduty":
        given = {"type": kind, "url": "http://hooks.example.org/", "routing_key": {"env": "KEY"}}
    config = ADAPTER.validate_python({"x": given})["x"]
    with pytest.raises(SettingError, match=r"The sink 'x': url begins with http, so .*; https was wanted"):
        build("x", config)
    assert build("x", config, allow=["hooks.example.org"]).kind == kind


def test_every_kind_can_be_written_in_a_file():
    """These are the examples of the manual."""
    assert len(ADAPTER.validate_python(yaml.safe_load(EXAMPLES))) == 7


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"type": "slak"}, "slack"),
        ({"type": "slack", "url": {"env": "A"}, "titel": "x"}, "titel"),
        ({"type": "slack", "url": {"env": "A", "file": "/b"}}, "either {env: NAME} or {file: PATH}"),
        ({"type": "slack", "url": {}}, "either {env: NAME} or {file: PATH}"),
        ({"type": "slack", "url": {"env": "A"}, "title": "${a b}"}, "must begin a name"),
        ({"type": "slack", "url": {"env": "A"}, "title": "$"}, "must begin a name"),
        ({"type": "slack", "url": {"env": "A"}, "title": "x" * 5000}, "at most 4000"),
        ({"type": "slack", "url": {"env": "A"}, "allow": ["10.0.0.0/99"]}, "a host such as"),
        ({"type": "webhook", "url": "ftp://x", "secret": {"env": "A"}}, "it is no address"),
        ({"type": "webhook", "url": "https://u:p@x/", "secret": {"env": "A"}}, "not sent"),
        ({"type": "webhook", "url": "https://x/"}, "secret"),
        ({"type": "email", "host": "h", "sender": "a@b\r\nBcc: x@y", "to": ["a@b"]}, "sender"),
        ({"type": "email", "host": "h", "sender": "a@b", "to": ["a@b", "c"]}, "to.1"),
        ({"type": "email", "host": "h", "sender": "a@b", "to": ["a@b"], "username": "u"}, "belong together"),
        ({"type": "command", "argv": []}, "argv"),
        ({"type": "command", "argv": "rollback --yes"}, "argv"),
        ({"type": "callable", "function": "os.system"}, "function"),
    ],
)
def test_what_cannot_be_used_is_refused_when_the_file_is_read(config, said):
    """With the field."""
    assert said in refusal(**config)


def test_a_secret_in_the_file_is_refused_and_not_repeated():
    """The sentence ends up in a log."""
    for config in (
        {"type": "slack", "url": "https://hooks.slack.com/services/T0K3N"},
        {"type": "pagerduty", "routing_key": "T0K3N"},
        {"type": "webhook", "url": "https://user:T0K3N@example.org", "secret": {"env": "A"}},
        {"type": "webhook", "url": "https://example.org", "secret": {"value": "T0K3N"}},
    ):
        said = refusal(**config)
        assert "T0K3N" not in said


def test_secrets_come_from_variables_and_files(tmp_path, monkeypatch):
    """Without the line's end that editors add."""
    monkeypatch.setenv("WHERE", " https://example.org/x \n")
    path = tmp_path / "secret"
    path.write_text("  hidden\n")
    assert Secret(env="WHERE").read("It") == "https://example.org/x"
    assert Secret(file=path).read("It") == "hidden"
    assert "hidden" not in repr(Secret(file=path))


def test_a_secret_that_is_not_there_is_said_with_its_place(tmp_path, monkeypatch):
    """And what to do."""
    monkeypatch.delenv("NOWHERE", raising=False)
    config = ADAPTER.validate_python({"x": {"type": "slack", "url": {"env": "NOWHERE"}}})["x"]
    with pytest.raises(
        SettingError, match="The url of the sink 'x' is in the variable NOWHERE, which is not set"
    ):
        build("x", config)
    empty = tmp_path / "empty"
    empty.write_text("\n")
    for path, said in ((tmp_path / "gone", "No such file"), (empty, "empty"), (tmp_path, "directory")):
        with pytest.raises(SettingError, match=said):
            Secret(file=path).read("It")


def test_a_wrong_url_in_a_secret_is_not_repeated(monkeypatch):
    """It was meant for nobody's eyes."""
    monkeypatch.setenv("WHERE", "hooks.slack.com/T0K3N")
    config = ADAPTER.validate_python({"x": {"type": "slack", "url": {"env": "WHERE"}}})["x"]
    with pytest.raises(SettingError, match="url cannot be used: it is no address") as refused:
        build("x", config)
    assert "T0K3N" not in str(refused.value)


def test_without_a_file_the_webhook_is_the_one_sink():
    """As it was before there were files."""
    settings = load(AlertSettings, webhook_url="http://127.0.0.1:1/", webhook_secret="s")
    assert list(roster(settings, None)) == ["webhook"]
    assert roster(load(AlertSettings), None) == {}
    assert roster(settings, {}) == {}


def test_hosts_that_may_be_private_can_be_listed_for_all_sinks(monkeypatch):
    """In MLOBS_ALERT_ALLOW; a typo there is said."""
    monkeypatch.setenv("WHERE", "https://10.0.0.7/x")
    configs = ADAPTER.validate_python({"x": {"type": "slack", "url": {"env": "WHERE"}}})
    with pytest.raises(SettingError, match=r"10\.0\.0\.7 is a private address"):
        roster(load(AlertSettings), configs)
    assert list(roster(load(AlertSettings, allow="hooks.internal, 10.0.0.0/24"), configs)) == ["x"]
    with pytest.raises(SettingError, match=r"MLOBS_ALERT_ALLOW cannot be used: ' 10\.0\.0/240 ' came"):
        roster(load(AlertSettings, allow="a, 10.0.0/240 ,"), configs)


def test_a_template_names_fields_and_labels():
    """A field wins over a label of its name; labels. says that the label is meant."""
    shown = told(body(labels={"rule": "label", "k8s.pod": "p"}), DELIVERY)
    filled = fill("$rule ${labels.rule} ${k8s.pod} ${top} $$ ${gone}", shown)
    assert filled == "MlobsErrorRatioHigh label p error.type timeout (80%) $ (no gone)"


@pytest.mark.slow
@given(value=st.text())
def test_what_is_filled_in_is_never_a_template_again(value):
    """Nor is anything looked up in it."""
    shown = told(body(labels={"x": "${rule} {0} %s"}, rule=value or "r"), DELIVERY)
    assert fill("${x}", shown) == "${rule} {0} %s"


@given(text=st.text())
def test_escaped_text_has_nothing_left_of_the_language_it_stands_in(text):
    """Slack's brackets, Markdown's marks, HTML's tags."""
    assert not set("<>") & set(slack(text))
    assert not set("<>\"'") & set(hypertext(text))
    plain = markdown(text)
    for mark in "*_[]()`<>|~":
        assert plain.count(mark) == plain.count(f"\\{mark}")


@given(url=st.text() | st.text().map("https://{}".format) | st.text().map("javascript:{}".format))
def test_what_becomes_a_link_is_http_and_cannot_end_the_link(url):
    """In any of the languages."""
    made = address(url)
    if made is not None:
        assert made.startswith(("http://", "https://"))
        assert made.isascii()
        assert not set(" <>|\"'`\\()\n\r") & set(made) - {"'"}
