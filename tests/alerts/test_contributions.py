"""What most of the failures have in common, asked of the server's own tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.alerting import Alerting
from mlobs.alerts.contributions import contributions, own, top
from mlobs.semconv import attributes as a
from mlobs.settings import AlertSettings, load
from tests.alerts.conftest import NOW_S
from tests.alerts.rounds import tick
from tests.alerts.sink import webhook


def asked(tables, rules, **labels):
    rule = rules["MlobsErrorRatioHigh"]
    by_service = rule.indicator.model_copy(update={"by": (a.SERVICE_NAME,)})
    question = contributions(rule.model_copy(update={"indicator": by_service}), labels, now_s=NOW_S)
    return top(tables.store.query(question.sql, question.params))


def test_the_model_whose_calls_fail_is_named_and_not_the_one_that_is_called_most(tables, rules):
    """Shares of the failures are compared with shares of the calls."""
    tables.spans(100, service="shop", operation="chat", model="large")
    tables.spans(2, service="shop", operation="chat", model="large", error="timeout")
    tables.spans(20, service="shop", operation="chat", model="small", error="timeout")
    tables.spans(50, service="other", operation="chat", model="large", error="timeout")
    found = asked(tables, rules, service_name="shop")
    assert found == {"dimension": "gen_ai.request.model", "value": "small", "share": 0.9091}


def test_a_call_that_a_sampler_kept_counts_with_those_it_stands_for(tables, rules):
    """Every failure of one model was kept, and a sixteenth of the other's: that has more of them."""
    tables.spans(64, service="shop", operation="chat", model="kept", error="timeout")
    tables.spans(20, service="shop", operation="chat", model="kept", tracestate="ot=th:f")
    tables.spans(12, service="shop", operation="chat", model="sampled", error="timeout", tracestate="ot=th:f")
    found = asked(tables, rules, service_name="shop")
    assert found == {"dimension": "gen_ai.request.model", "value": "sampled", "share": 0.75}


def test_where_nothing_stands_out_the_commonest_error_is_named(tables, rules):
    """It still says where to look first."""
    tables.spans(50, service="shop", operation="chat", model="m")
    tables.spans(6, service="shop", operation="chat", model="m", error="timeout")
    tables.spans(2, service="shop", operation="chat", model="m", error="429")
    found = asked(tables, rules, service_name="shop")
    assert found == {"dimension": "error.type", "value": "timeout", "share": 0.75}


def test_an_error_that_all_have_says_more_than_a_part_that_a_few_have_by_chance():
    """Of 28 failures 12 are a tenant's that makes three of ten calls, and all are of one kind."""
    rows = [
        {"dimension": "", "value": "", "failures": 28, "calls": 100},
        {"dimension": "mlobs.tag.tenant", "value": "globex", "failures": 12, "calls": 30},
        {"dimension": "error.type", "value": "ConnectionError", "failures": 28, "calls": 28},
    ]
    assert top(rows) == {"dimension": "error.type", "value": "ConnectionError", "share": 1.0}
    rows[1] |= {"failures": 24}
    assert top(rows)["value"] == "globex", "most of them are its, as of the calls are not"
    rows[1] |= {"failures": 8}
    assert top([rows[0], rows[1]]) is None, "it fails no more often than others do"


def test_labels_of_strangers_are_parameters(tables, rules):
    """A quote in a service's name ends no string."""
    evil = "x' OR 1=1 --"
    tables.spans(5, service=evil.replace("'", "''"), operation="chat", error="e")
    tables.spans(9, service="shop", operation="chat", error="other")
    assert asked(tables, rules, service_name=evil) == {"dimension": "error.type", "value": "e", "share": 1.0}


def test_without_failures_nothing_contributes(tables, rules):
    """Nor where there are no calls."""
    assert asked(tables, rules, service_name="nobody") is None
    tables.spans(5, service="shop", operation="chat")
    assert asked(tables, rules, service_name="shop") is None


def test_what_the_alert_is_about_is_not_told_as_its_cause(tables, rules):
    """It is in the labels already."""
    tables.spans(50, service="shop", operation="chat", model="good")
    tables.spans(9, service="shop", operation="chat", model="bad", agent="buyer", error="timeout")
    tables.spans(9, service="shop", operation="chat", model="bad", agent="seller")
    question = contributions(
        rules["MlobsErrorRatioHigh"], {"service_name": "shop", "gen_ai_request_model": "bad"}, now_s=NOW_S
    )
    found = top(tables.store.query(question.sql, question.params))
    assert found == {"dimension": "gen_ai.agent.name", "value": "buyer", "share": 1.0}


def answer(tables, rule, **labels):
    asked = contributions(rule, labels, now_s=NOW_S)
    return None if asked is None else top(tables.store.query(asked.sql, asked.params))


def test_rules_about_nothing_that_has_parts_are_not_asked_about(rules):
    """What Prometheus alone knows is not here."""
    for name in ("MlobsWatchdog", "MlobsDriftProven"):
        assert contributions(rules[name], {}, now_s=NOW_S) is None


def test_every_other_rule_can_be_asked_about_an_empty_store(tables, rules):
    """And nothing contributes to nothing."""
    for rule in rules.values():
        if "server" in rule.engines:
            assert answer(tables, rule, service_name="shop") is None, rule.name


def test_the_model_whose_calls_are_slow_is_named(tables, rules):
    """Those beyond the limit, compared with all calls."""
    rule = rules["MlobsModelLatencyHigh"]
    of = rule.indicator.model_copy(update={"by": (a.SERVICE_NAME,)})
    tables.spans(90, model="quick")
    tables.spans(10, model="slow", duration_s=45)
    found = answer(tables, rule.model_copy(update={"indicator": of}), service_name="shop")
    assert found == {"dimension": "gen_ai.request.model", "value": "slow", "share": 1.0}


def test_the_agent_that_costs_is_named_by_its_share_of_the_money(tables, rules):
    """Of one user's calls: a few of them cost nearly everything."""
    user = {"user.id": "u1"}
    tables.spans(90, agent="chat", more={**user, "mlobs.cost.usd": "0.01"})
    tables.spans(10, agent="research", more={**user, "mlobs.cost.usd": "5"})
    tables.spans(10, agent="other", more={"user.id": "u2", "mlobs.cost.usd": "500"})
    found = answer(tables, rules["MlobsUserCostHigh"], service_name="shop", user_id="u1")
    assert found == {"dimension": "gen_ai.agent.name", "value": "research", "share": 0.9823}


def test_where_money_is_spent_evenly_the_largest_part_is_told(tables, rules):
    """Most of the month's money goes to one tenant, whose calls cost as much as others' do."""
    for tenant, count in (("acme", 60), ("small", 40)):
        tables.spans(count, model="m", more={"mlobs.tag.tenant": tenant, "mlobs.cost.usd": "1"})
    found = answer(tables, rules["MlobsBudgetExhausted"], service_name="shop")
    assert found == {"dimension": "mlobs.tag.tenant", "value": "acme", "share": 0.6}


def test_what_grew_is_compared_with_what_it_was(tables, rules):
    """A model that cost most before is no news; one that is new is."""
    for model, usd, ago_s in (("old", 2, 3 * 3600), ("old", 2, 60), ("new", 3, 60)):
        tables.spans(10, model=model, ago_s=ago_s, more={"mlobs.cost.usd": str(usd)})
    found = answer(tables, rules["MlobsCostBurn"], service_name="shop")
    assert found == {"dimension": "gen_ai.request.model", "value": "new", "share": 0.6}
    for prompt, tokens, ago_s in (("a", 100, 3 * 3600), ("a", 100, 60), ("b", 900, 60)):
        more = {"gen_ai.prompt.name": prompt, "gen_ai.usage.input_tokens": str(tokens)}
        tables.spans(10, model="m", ago_s=ago_s, more=more)
    labels = {"service_name": "shop", "gen_ai_request_model": "m"}
    found = answer(tables, rules["MlobsTokensPerCallHigh"], **labels)
    assert found == {"dimension": "gen_ai.prompt.name", "value": "b", "share": 0.9}


def test_the_tool_that_an_agent_calls_again_and_again_is_named(tables, rules):
    """By its share of the agent's tool calls."""
    for tool, count in (("search", 90), ("pay", 10)):
        tables.spans(count, operation="execute_tool", tool=tool, agent="buyer")
    tables.spans(900, operation="execute_tool", tool="other", agent="seller")
    found = answer(tables, rules["MlobsAgentLoop"], service_name="shop", gen_ai_agent_name="buyer")
    assert found == {"dimension": "gen_ai.tool.name", "value": "search", "share": 0.9}


def test_the_feature_that_drifts_is_named_where_a_rule_does_not_tell_features_apart(tables, rules):
    """And the process, where it does."""
    for feature, instance, value in (("age", "one", 0), ("plan", "one", 1), ("plan", "two", 0)):
        tables.point(
            "otel_metrics_gauge",
            "mlobs.drift.alarm",
            value,
            instance=instance,
            attributes={"mlobs.model.name": "churn", "mlobs.model.version": "7", "mlobs.feature": feature},
        )
    rule = rules["MlobsFeatureDrift"]
    labels = {"service_name": "shop", "mlobs_model_name": "churn", "mlobs_model_version": "7"}
    found = answer(tables, rule, **labels, mlobs_feature="plan")
    assert found == {"dimension": "service.instance.id", "value": "one", "share": 1.0}
    of = rule.indicator.model_copy(update={"by": (a.SERVICE_NAME, a.MODEL_NAME)})
    found = answer(tables, rule.model_copy(update={"indicator": of}), **labels)
    assert found == {"dimension": "mlobs.feature", "value": "plan", "share": 1.0}


def test_the_process_that_drops_spans_is_named(tables, rules):
    """By how much the counter of each grew."""
    for instance, value in (("one", 5), ("two", 95)):
        tables.point(
            "otel_metrics_sum",
            "mlobs.sdk.dropped",
            value,
            start_ago_s=100,
            instance=instance,
            attributes={"mlobs.dropped.reason": "queue_full"},
        )
    labels = {"service_name": "shop", "mlobs_dropped_reason": "queue_full"}
    found = answer(tables, rules["MlobsTelemetryDropped"], **labels)
    assert found == {"dimension": "service.instance.id", "value": "two", "share": 0.95}


def test_of_a_service_that_fell_silent_nothing_is_told(rules):
    """What it called last is no part of its silence, and neither is what the alert is about."""
    rule = rules["MlobsTelemetryAbsent"]
    by = (a.SERVICE_NAME, a.AGENT_NAME)
    narrow = rule.model_copy(update={"indicator": rule.indicator.model_copy(update={"by": by})})
    for one in (rule, narrow):
        labels = {"service_name": "shop", "gen_ai_agent_name": "buyer"}
        assert contributions(one, labels, now_s=NOW_S, since_s=NOW_S - 900) is None
        assert own(one, labels) is None


def test_what_is_new_about_calls_that_nobody_watches_any_more_is_named(tables, rules):
    """Since the monitor is silent, another provider answers them."""
    model = {"mlobs.model.name": "churn", "mlobs.model.version": "7"}
    for ago_s, provider in ((3600, "old"), (300, "new")):
        more = {**model, "gen_ai.provider.name": provider}
        tables.spans(30, operation="", kind="predict", ago_s=ago_s, more=more)
    labels = {"service_name": "shop", "mlobs_model_name": "churn", "mlobs_model_version": "7"}
    rule = rules["MlobsDriftMonitorStale"]
    asked = contributions(rule, labels, now_s=NOW_S, since_s=NOW_S - 1200)
    found = top(tables.store.query(asked.sql, asked.params))
    assert found == {"dimension": "gen_ai.provider.name", "value": "new", "share": 1.0}


ANSWER = '[{"role":"assistant","finish_reason":"length"}]'


def test_the_prompt_whose_answers_are_cut_off_refused_or_empty_is_named(tables, rules):
    """Which the gauge of the server does not say, so the answers are asked again."""
    for reasons, prompt, tokens in (
        ('["stop"]', "good", "9"),
        ('["MAX_TOKENS"]', "long", "9"),
        ('["CONTENT-FILTER"]', "bad", "9"),
        ("", "none", "0"),
    ):
        more = {
            "gen_ai.prompt.name": prompt,
            "gen_ai.usage.output_tokens": tokens,
            "gen_ai.response.finish_reasons": reasons,
        }
        tables.spans(20, model="m", more=more)
    tables.spans(99, model="m", error="timeout", more={"gen_ai.usage.output_tokens": "0"})
    labels = {"service_name": "shop", "gen_ai_request_model": "m"}
    for name, prompt in (
        ("MlobsTruncatedOutputs", "long"),
        ("MlobsRefusals", "bad"),
        ("MlobsEmptyOutputs", "none"),
    ):
        found = answer(tables, rules[name], **labels)
        assert found == {"dimension": "gen_ai.prompt.name", "value": prompt, "share": 1.0}, name


def test_an_ending_that_stands_in_the_messages_counts_too(tables, rules):
    """As older conventions had it."""
    tables.spans(20, model="m", agent="a", more={"gen_ai.usage.output_tokens": "9"})
    more = {"gen_ai.usage.output_tokens": "9", "gen_ai.output.messages": ANSWER}
    tables.spans(20, model="m", agent="b", more=more)
    labels = {"service_name": "shop", "gen_ai_request_model": "m"}
    found = answer(tables, rules["MlobsTruncatedOutputs"], **labels)
    assert found == {"dimension": "gen_ai.agent.name", "value": "b", "share": 1.0}


def test_the_agent_whose_words_a_guardrail_blocks_is_named(tables, rules):
    """Of one guardrail's checks."""
    for verdict, agent, count in (("pass", "seller", 40), ("block", "seller", 2), ("block", "buyer", 18)):
        more = {"mlobs.name": "no secrets", "mlobs.guardrail.verdict": verdict}
        tables.spans(count, operation="", kind="guardrail", agent=agent, more=more)
    labels = {"service_name": "shop", "mlobs_name": "no secrets"}
    found = answer(tables, rules["MlobsGuardrailHits"], **labels)
    assert found == {"dimension": "gen_ai.agent.name", "value": "buyer", "share": 0.9}


@pytest.mark.slow
def test_the_model_whose_answers_are_scored_lower_than_usual_is_named(tables, rules):
    """By how far its scores of the last hour, or day, are below the mean of the days before."""
    labels = {"service_name": "shop", "gen_ai_evaluation_name": "helpful"}
    for ago_s in (60, 5 * 3600):
        tables.clear()
        for model, value, since_s, count in (
            ("m", 0.9, 3 * 86_400, 40),
            ("m", 0.9, ago_s, 40 if ago_s < 3600 else 20),
            ("n", 0.5, ago_s, 40 if ago_s < 3600 else 20),
        ):
            trace = f"{model}{since_s:07d}".encode().hex().ljust(32, "0")
            tables.spans(1, model=model, trace=trace, ago_s=since_s)
            tables.writer.run(
                "INSERT INTO scores (Timestamp, TraceId, ServiceName, Name, Value) SELECT "
                f"fromUnixTimestamp64Milli({round((NOW_S - since_s) * 1000)}), '{trace}', 'shop', 'helpful', "
                f"{value} FROM numbers({count})"
            )
        found = answer(tables, rules["MlobsEvaluationScoreDrop"], **labels)
        assert found == {"dimension": "gen_ai.request.model", "value": "n", "share": 1.0}, ago_s


@pytest.mark.slow
def test_the_message_says_what_contributes_most_and_links_to_the_dashboard(tables, tmp_path):
    """The whole way, from spans to a webhook."""
    tables.spans(60, service="shop api", operation="chat", model="m", agent="seller")
    tables.spans(30, service="shop api", operation="chat", model="m", agent="buyer", error="timeout")
    with webhook() as sink:
        settings = load(
            AlertSettings,
            hold_s=0,
            webhook_url=sink.url,
            webhook_secret="s3cret",
            dashboard_url="https://grafana.example.org/d/overview",
        )
        clock = [NOW_S]
        alerting = Alerting(settings, tables.store.query, tmp_path, "http://127.0.0.1:1", lambda: clock[0])
        tick(alerting)
        tables.clear()
        for _ in range(3):
            clock[0] += 300
            tick(alerting)
        alerting.stop()
        told = [one.json for one in sink.arrived if one.json["rule"] == "MlobsErrorRatioHigh"]
    firing, resolved = told
    assert firing["top"] == {"dimension": "gen_ai.agent.name", "value": "buyer", "share": 1.0}
    assert resolved["top"] == firing["top"], "whoever reads only the end learns it, too"
    link = "https://grafana.example.org/d/overview?var-service=shop%20api"
    page = f"http://127.0.0.1:1/alerts/mlobs/{firing['fingerprint']}"
    assert firing["links"] == resolved["links"] == {"alert": page, "dashboard": link}


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "dimension": st.sampled_from(["", "gen_ai.request.model", "error.type", "service.version"]),
            "value": st.text(max_size=5),
            "failures": st.integers(0, 50),
            "calls": st.integers(1, 100),
        }
    )
)


@given(rows=ROWS)
def test_whatever_the_rows_say_the_answer_is_a_dimension_or_none(rows):
    """Counts of several shards need not add up."""
    found = top(rows)
    if found is not None:
        assert found["dimension"] in {
            one.name for one in (a.REQUEST_MODEL, a.ERROR_TYPE, a.SERVICE_VERSION)
        } | {""}
