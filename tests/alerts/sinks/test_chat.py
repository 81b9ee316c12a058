"""Slack, Teams and PagerDuty, each against a server that refuses what the real one refuses."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from mlobs.alerts.sinks import SinkConfig, build
from mlobs.alerts.sinks.excuses import of_pagerduty, of_slack, of_teams
from mlobs.alerts.sinks.pagerduty import for_pagerduty
from mlobs.alerts.sinks.slack import for_slack
from mlobs.alerts.sinks.teams import for_teams
from mlobs.alerts.sinks.told import told
from tests.alerts.sinks.apis import api, pagerduty_problem, slack_problem, teams_problem
from tests.alerts.sinks.messages import DELIVERY, NASTY, NOW_S, body, message
from tests.examples import examples

KEY = "k" * 32


def config(**given):
    return TypeAdapter(SinkConfig).validate_python(given)


@pytest.fixture
def sink(monkeypatch):
    """Return a function that makes a sink of a kind, at an address."""

    def made(kind, url, **given):
        monkeypatch.setenv("SINK_URL", url)
        monkeypatch.setenv("SINK_KEY", KEY)
        where = (
            {"url": url, "routing_key": {"env": "SINK_KEY"}}
            if kind == "pagerduty"
            else {"url": {"env": "SINK_URL"}}
        )
        return build("team", config(type=kind, **where, allow=["127.0.0.0/8"], **given))

    return made


@pytest.mark.parametrize("kind", ["slack", "teams", "pagerduty"])
def test_firing_and_resolved_are_taken(kind, sink):
    """By a server that knows the limits of the real one."""
    with api(kind) as there:
        made = sink(kind, there.url)
        for status in ("firing", "resolved"):
            answer = made.send(DELIVERY, body(status=status), now_s=NOW_S)
            assert (answer.outcome, there.refused) == ("delivered", [])
    assert len(there.taken) == 2
    assert "T0K3N" not in made.address


def test_slack_shows_what_is_needed_at_three_in_the_morning(sink):
    """Title, numbers, whom it is about, the largest part, and where to look."""
    with api("slack") as there:
        sink("slack", there.url).send(DELIVERY, body(), now_s=NOW_S)
    (sent,) = there.taken
    assert sent["text"] == "[FIRING] Calls of the model fail"
    shown = json.dumps(sent, ensure_ascii=False)
    for part in ("12% of the calls", "shop_api", "gpt-x", "error.type timeout (80%)", "4be1f0c2d3a49586"):
        assert part in shown
    for link in ("|trace>", "|runbook>", "|dashboard>"):
        assert link in shown
    assert sent["attachments"][0]["color"] == "#c4314b"


def test_pagerduty_knows_that_resolved_belongs_to_firing(sink):
    """Else the incident stays open and pages again."""
    with api("pagerduty") as there:
        for status in ("firing", "resolved"):
            sink("pagerduty", there.url).send(DELIVERY, body(status=status), now_s=NOW_S)
    trigger, resolve = there.taken
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert trigger["dedup_key"] == resolve["dedup_key"] == "4be1f0c2d3a49586"
    assert trigger["payload"]["source"] == "shop_api"
    assert {"text": "trace", "href": message()["trace_url"]} in trigger["links"]


def test_a_severity_pagerduty_does_not_know_is_a_warning():
    """Alerts from elsewhere have severities of their own."""
    event = for_pagerduty(told(body(severity="p1"), DELIVERY), routing_key=KEY)
    assert event["payload"]["severity"] == "warning"
    assert pagerduty_problem(event) is None


def test_the_card_for_teams_opens_trace_runbook_and_dashboard(sink):
    """Links are buttons there."""
    with api("teams") as there:
        sink("teams", there.url).send(DELIVERY, body(), now_s=NOW_S)
    card = there.taken[0]["attachments"][0]["content"]
    assert [action["title"] for action in card["actions"]] == ["trace", "runbook", "dashboard", "alerts"]
    assert card["body"][0]["color"] == "Attention"


def test_when_slack_asks_for_a_pause_it_says_for_how_long(sink):
    """One message a second is what it takes."""
    with api("slack") as there:
        there.busy = [(429, {"Retry-After": "30"})]
        made = sink("slack", there.url)
        answer = made.send(DELIVERY, body(), now_s=NOW_S)
        assert (answer.outcome, answer.retry_after_s) == ("failed", 30.0)
        assert made.gap_s == 1.0


def test_what_the_sink_says_is_in_the_receipt(sink):
    """`invalid_blocks` tells more than 400."""
    with api("pagerduty") as there:
        made = sink("pagerduty", there.url)
        answer = made.send(DELIVERY, body(fingerprint=""), now_s=NOW_S)
    assert answer.outcome == "dead"
    assert "400" in answer.text
    assert "'dedup_key' is invalid" in answer.text


TEAMS_SAYS = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {}"
PAGE = b"<!DOCTYPE html><html><title>Log in</title>"


@pytest.mark.parametrize(
    ("kind", "says", "outcome", "part"),
    [
        ("slack", b"ok", "delivered", "200"),
        ("slack", b"", "delivered", "200"),
        ("slack", b'{"ok":true}', "delivered", "200"),
        ("slack", b"Message received.", "delivered", "200"),
        (
            "slack",
            b"invalid_payload",
            "dead",
            "200, but it says that it refused the message (invalid_payload)",
        ),
        ("slack", b'{"ok":false,"error":"channel_is_archived"}', "dead", "(channel_is_archived)"),
        ("slack", b'{"ok":false,"error":"ratelimited"}', "failed", "ratelimited"),
        ("slack", b"rate_limited", "failed", "rate_limited"),
        ("slack", b"service_unavailable", "failed", "service_unavailable"),
        ("slack", PAGE, "failed", "200, but with a web page, which Slack never sends"),
        ("teams", b"1", "delivered", "202"),
        ("teams", TEAMS_SAYS.format(429).encode(), "failed", "HTTP error 429"),
        ("teams", TEAMS_SAYS.format(503).encode(), "failed", "HTTP error 503"),
        ("teams", TEAMS_SAYS.format(413).encode(), "dead", "HTTP error 413"),
        ("teams", b"Webhook message delivery failed", "failed", "delivery failed"),
        (
            "teams",
            b'{"error":{"code":"WorkflowTriggerIsNotEnabled"}}',
            "failed",
            "WorkflowTriggerIsNotEnabled",
        ),
        ("teams", PAGE, "failed", "is a proxy in between?"),
        ("pagerduty", b"", "delivered", "202"),
        ("pagerduty", b'{"status":"invalid event","message":"no key"}', "dead", "(no key)"),
        ("pagerduty", PAGE, "failed", "is a proxy in between?"),
    ],
)
def test_a_success_that_says_it_is_none_is_none(kind, says, outcome, part, sink):
    """Some answer 200 whatever became of it, and a proxy answers 200 with a page to log in at."""
    with api(kind) as there:
        there.says = [says]
        answer = sink(kind, there.url).send(DELIVERY, body(), now_s=NOW_S)
    assert answer.outcome == outcome
    assert part in answer.text


@given(says=st.binary(max_size=200), status=st.integers(200, 299))
def test_nothing_that_is_said_beside_a_success_raises(says, status):
    """And what is not known is believed."""
    for doubt in (of_slack, of_teams, of_pagerduty):
        found = doubt(status, says.decode("utf-8", "replace"), NOW_S)
        assert found is None or found.outcome in {"failed", "dead"}


ENDED = {"reason": "within_limit", "text": "It is 2% now, after 12%.", "value": 0.02, "value_text": "2%"}


@pytest.mark.parametrize("kind", ["slack", "teams", "pagerduty"])
def test_an_end_says_why_before_what_was_wrong(kind, sink):
    """Whether it is better, or only nothing is measured any more."""
    with api(kind) as there:
        made = sink(kind, there.url, title="${status}: ${end}")
        made.send(DELIVERY, body(status="resolved", end=ENDED), now_s=NOW_S)
    shown = json.dumps(there.taken[0], ensure_ascii=False).replace("\\\\", "")
    assert "resolved: It is 2% now, after 12%." in shown
    assert shown.index("It is 2% now") < shown.index("When it last held: 12% of the calls")
    assert "value now" in shown


def test_the_numbers_of_an_end_say_what_each_is():
    """The last one is neither the worst nor that of now."""
    peak = {"value": 0.5135, "value_text": "51.35%", "at": "2026-11-26T03:00:00.000Z"}
    over = told(body(status="resolved", value_text="20.22%", peak=peak, end=ENDED), DELIVERY)
    numbers = {name: value for name, value in over.facts.items() if "%" in value and name != "most of it"}
    assert numbers == {
        "value when it last held": "20.22%",
        "worst": "51.35% at 2026-11-26T03:00:00.000Z",
        "value now": "2%",
    }
    unknown = told(body(status="resolved", end={**ENDED, "value_text": None}), DELIVERY)
    assert unknown.text.splitlines()[1].startswith("While it fired: 12%"), "nothing else is beside it"
    assert told(body(peak=peak), DELIVERY).facts["value"]


@pytest.mark.parametrize(("reason", "well"), [("within_limit", True), ("sender", True), ("no_data", False)])
def test_an_end_of_which_nobody_knows_whether_all_is_well_is_not_green(reason, well):
    """Green is what people sleep on."""
    shown = told(body(status="resolved", severity="critical", end={**ENDED, "reason": reason}), DELIVERY)
    assert for_slack(shown)["attachments"][0]["color"] == ("#2e8540" if well else "#d98e04")
    card = for_teams(shown)["attachments"][0]["content"]
    assert card["body"][0]["color"] == ("Good" if well else "Warning")


def test_in_a_list_each_alert_that_ended_says_why():
    """They need not have ended for the same reason."""
    alerts = [message(status="resolved", end=ENDED), message()]
    shown = told(body(alerts=alerts), DELIVERY)
    assert shown.alerts == (
        "resolved: Calls of the model fail (It is 2% now, after 12%.)",
        "firing: Calls of the model fail",
    )


def test_of_a_rule_that_is_gone_nothing_is_told_as_if_it_were_measured():
    """The reason is all there is to say."""
    end = {**ENDED, "reason": "rule_gone", "text": "The rule is gone."}
    assert told(body(status="resolved", end=end), DELIVERY).text == "The rule is gone."


def test_a_group_of_alerts_is_a_list():
    """And says how many more there are."""
    alerts = [message(summary=f"alert {n}", status="firing" if n % 2 else "resolved") for n in range(50)]
    shown = told(body(alerts=alerts, notice="flapping"), DELIVERY)
    slack, teams = json.dumps(for_slack(shown)), json.dumps(for_teams(shown))
    for text in (slack, teams):
        assert "firing: alert 1" in text
        assert "and 40 more" in text
        assert "It changes too often" in text
    assert slack_problem(for_slack(shown)) is None
    assert teams_problem(for_teams(shown)) is None


def test_a_group_of_one_alert_shows_the_fingerprint_that_the_alerts_page_has():
    """While PagerDuty still knows the group by its own."""
    shown = told(body(alerts=[message(fingerprint="a1")], fingerprint="9r0up"), DELIVERY)
    assert "`a1`" in json.dumps(for_slack(shown))
    assert shown.mark == "a1"
    assert shown.field("fingerprint") == "9r0up"
    assert told(body(alerts=[message(), message()], fingerprint="9r0up"), DELIVERY).mark == "9r0up"


def test_templates_of_the_user_are_filled_in_and_values_are_escaped(sink):
    """The user's stars are bold, a label's are not a mention."""
    with api("slack") as there:
        made = sink(
            "slack", there.url, title="*${rule}* in ${service_name}", text="cost $$5, ${nothing}, ${labels.x}"
        )
        made.send(DELIVERY, body(labels={"service_name": NASTY, "x": "1"}), now_s=NOW_S)
    (sent,) = there.taken
    assert sent["text"].startswith("*MlobsErrorRatioHigh* in &lt;!channel&gt;")
    assert "${rule}" in sent["text"]
    assert "cost $5, (no nothing), 1" in json.dumps(sent)


EMOJI = "\N{FIRE}" * 300


def test_a_card_fits_into_what_teams_takes_whatever_strangers_call_their_labels():
    """It takes 28 kB; the title, the first facts and the fingerprint are what is kept."""
    labels = {f"{n:02}{EMOJI}": EMOJI for n in range(64)}
    links = {f"{n}": "https://example.org/" + "x" * 1900 for n in range(8)}
    alerts = [message(summary=EMOJI) for _ in range(50)]
    many = {"labels": labels, "links": links, "alerts": alerts, "description": EMOJI * 9, "summary": EMOJI}
    card = for_teams(told(body(**many), DELIVERY))
    assert len(json.dumps(card, ensure_ascii=False).encode()) <= 28_000
    facts = [one["title"] for one in card["attachments"][0]["content"]["body"][-1]["facts"]]
    assert facts[:2] == ["rule", "severity"]
    assert facts[-1] == "fingerprint"
    few = for_teams(told(body(labels={"team": "web"}), DELIVERY))["attachments"][0]["content"]
    assert len(few["actions"]) == 4, "and where there is room nothing is left out"


def test_a_label_called_as_one_of_our_fields_does_not_take_its_place():
    """A stranger's description is not the alert's."""
    taken = {
        "description": "x",
        "rule": "y",
        "delivery": "z",
        "fingerprint": "f",
        "alerts": "a",
        "team": "web",
    }
    event = for_pagerduty(told(body(labels=taken), DELIVERY), routing_key=KEY)
    details = event["payload"]["custom_details"]
    assert details["description"].startswith("12% of the calls")
    assert (details["rule"], details["delivery"]) == ("MlobsErrorRatioHigh", DELIVERY)
    assert (details["labels.description"], details["labels.rule"], details["team"]) == ("x", "y", "web")


WORDS = st.text(max_size=300) | st.sampled_from([NASTY, "", "<" * 5000, "&" * 5000, "\\" * 5000, "]" * 9000])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
NAMES = (
    "status title summary description rule severity component value top end labels links alerts notice "
    "runbook_url trace_url server_url started resolved"
)
MESSAGES = st.fixed_dictionaries(
    {"fingerprint": st.just("f")}, optional=dict.fromkeys(NAMES.split(), WORDS | ANYTHING)
)


@pytest.mark.slow
@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    known=MESSAGES,
    labels=st.dictionaries(WORDS, WORDS, max_size=30),
    title=st.sampled_from([None, "${x} ${rule}"]),
)
def test_no_message_makes_a_payload_that_is_refused(known, labels, title):
    """Whatever strangers put into labels, annotations and names: limits hold, nothing is a mention."""
    shown = told(json.dumps({"labels": labels, **known}).encode(), DELIVERY)
    assert slack_problem(json.loads(json.dumps(for_slack(shown, title=title, text=title)))) is None
    assert teams_problem(for_teams(shown, title=title, text=title)) is None
    assert pagerduty_problem(for_pagerduty(shown, routing_key=KEY, title=title)) is None
