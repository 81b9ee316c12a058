"""What most of the failures have in common, asked of the server's own tables."""

from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.alerting import Alerting
from mlobs.alerts.contributions import contributions, top
from mlobs.semconv import attributes as a
from mlobs.settings import AlertSettings, load
from tests.alerts.conftest import NOW_S
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


def test_where_nothing_stands_out_the_commonest_error_is_named(tables, rules):
    """It still says where to look first."""
    tables.spans(50, service="shop", operation="chat", model="m")
    tables.spans(6, service="shop", operation="chat", model="m", error="timeout")
    tables.spans(2, service="shop", operation="chat", model="m", error="429")
    found = asked(tables, rules, service_name="shop")
    assert found == {"dimension": "error.type", "value": "timeout", "share": 0.75}


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


def test_rules_that_count_no_failures_are_not_asked_about(rules):
    """Drift has its feature in the labels already."""
    assert contributions(rules["MlobsFeatureDrift"], {}, now_s=NOW_S) is None


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
        alerting.tick()
        tables.clear()
        for _ in range(3):
            clock[0] += 300
            alerting.tick()
        alerting.stop()
        told = [one.json for one in sink.arrived if one.json["rule"] == "MlobsErrorRatioHigh"]
    firing, resolved = told
    assert firing["top"] == {"dimension": "gen_ai.agent.name", "value": "buyer", "share": 1.0}
    assert resolved["top"] is None
    link = "https://grafana.example.org/d/overview?var-service=shop%20api"
    assert firing["links"] == resolved["links"] == {"dashboard": link}


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
