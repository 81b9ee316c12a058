"""When an alert is pending, fires and ends."""

from hypothesis import given
from hypothesis import strategies as st

from mlobs.alerts.indicators import Gauge
from mlobs.alerts.rules import Rule
from mlobs.alerts.states import Alert, Finding, advance, finding, fingerprint
from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m

INTERVAL_S = 15
LABELS = {"service_name": "shop"}


def rule(hold_s: int = 0, keep_firing_s: int = 0) -> Rule:
    return Rule(
        name="MlobsTest",
        indicator=Gauge(metric=m.DRIFT_ALARM, by=(a.SERVICE_NAME,)),
        above=0,
        hold_s=hold_s,
        keep_firing_s=keep_firing_s,
        severity="warning",
        component="test",
        summary="s",
        description="d",
    )


def play(one: Rule, broken: str) -> str:
    """Evaluate once for each character, `x` broken and `.` whole; return F, R or - for each change.

    >>> play(rule(hold_s=30), "xxx.")
    '--FR'
    """
    alert: Alert | None = None
    changes = ""
    for step, now in enumerate(broken):
        found = Finding(labels=LABELS, value=1.0) if now == "x" else None
        alert, change = advance(alert, found, one, now_s=step * INTERVAL_S, interval_s=INTERVAL_S)
        changes += {"firing": "F", "resolved": "R", None: "-"}[change]
    return changes


def expected(one: Rule, broken: str) -> str:
    """The definition, looked up in the past at every step instead of remembered.

    It begins to fire when it was broken at every evaluation since hold ago, and ends at the
    first evaluation at which it has been whole at every one since keep_firing ago.
    """
    hold, keep = -(-one.hold_s // INTERVAL_S), -(-one.keep_firing_s // INTERVAL_S)
    firing, changes = False, ""
    for now in range(len(broken)):
        held = now >= hold and set(broken[now - hold : now + 1]) == {"x"}
        over = now >= keep and set(broken[now - keep : now + 1]) == {"."}
        change = "F" if held and not firing else "R" if over and firing else "-"
        firing = {"F": True, "R": False, "-": firing}[change]
        changes += change
    return changes


@given(hold_s=st.integers(0, 100), keep_firing_s=st.integers(0, 100), broken=st.text("x.", max_size=60))
def test_it_fires_and_ends_as_defined(hold_s, keep_firing_s, broken):
    """Whatever the rule and however it flaps."""
    one = rule(hold_s, keep_firing_s)
    assert play(one, broken) == expected(one, broken)


@given(hold_s=st.integers(0, 60), keep_firing_s=st.integers(0, 60), broken=st.text("x.", max_size=60))
def test_changes_alternate(hold_s, keep_firing_s, broken):
    """One message for each change of state: never two firings without an end between them."""
    changes = play(rule(hold_s, keep_firing_s), broken).replace("-", "")
    assert changes == ("FR" * len(changes))[: len(changes)]


def test_without_a_hold_it_fires_at_once():
    """A drift alarm has waited already."""
    assert play(rule(), "x.x") == "FRF"


def test_a_blip_shorter_than_the_hold_says_nothing():
    """That is what the hold is for."""
    assert play(rule(hold_s=30), "xx.xx.") == "------"


def test_flapping_is_one_alert_while_it_keeps_firing():
    """Six messages about one evening teach people to mute."""
    assert play(rule(keep_firing_s=45), "x.x..x...x....") == "F------------R"


def test_a_hold_begins_anew_after_a_gap_nobody_looked_into():
    """A server that was down for an hour does not know that it was broken all the while."""
    one = rule(hold_s=120)
    found = Finding(labels=LABELS, value=1.0)
    alert, _ = advance(None, found, one, now_s=0, interval_s=INTERVAL_S)
    kept, _ = advance(alert, found, one, now_s=119, interval_s=INTERVAL_S)
    assert kept is not None
    assert kept.active_s == 0
    anew, change = advance(alert, found, one, now_s=3600, interval_s=INTERVAL_S)
    assert anew is not None
    assert (anew.active_s, change) == (3600, None)


def test_an_interval_longer_than_the_hold_still_fires():
    """A gap of one interval is no gap."""
    one = rule(hold_s=10)
    found = Finding(labels=LABELS, value=1.0)
    alert, _ = advance(None, found, one, now_s=0, interval_s=600)
    assert advance(alert, found, one, now_s=600, interval_s=600)[1] == "firing"


def test_the_examples_of_an_earlier_evaluation_are_kept():
    """The newest point may have none; the link is what the reader wants most."""
    one = rule()
    alert, _ = advance(None, Finding(labels=LABELS, value=1, trace_ids=("aa",)), one, now_s=0, interval_s=1)
    alert, _ = advance(alert, Finding(labels=LABELS, value=2), one, now_s=1, interval_s=1)
    assert alert is not None
    assert (alert.finding.value, alert.finding.trace_ids) == (2, ("aa",))


def test_fingerprints_tell_labels_apart_and_stay():
    """Receivers deduplicate by it, also across versions of mlobs."""
    assert fingerprint("R", {"a": "b", "c": "d"}) == fingerprint("R", {"c": "d", "a": "b"})
    different = [
        ("R", {"a": "b"}),
        ("S", {"a": "b"}),
        ("R", {"a": "c"}),
        ("R", {}),
        ("R", {"a": 'b", "c": "d'}),
    ]
    assert len({fingerprint(*one) for one in different}) == len(different)
    assert fingerprint("MlobsTest", LABELS) == "74dbd1b6ce2b80bb"


def test_what_came_as_telemetry_is_not_believed():
    """A time in the year 30,000 must not break the message; JSON writes infinity as null."""
    row = {"service_name": "shop", "value": None, "volume": "7", "trace_ids": ["", "aa"], "since_s": 1e12}
    found = finding(row, rule())
    assert found == Finding(labels=LABELS, value=float("inf"), volume=7, trace_ids=("aa",), since_s=None)


def test_a_hold_begins_anew_when_the_clock_is_set_back_to_before_it_began():
    """Else an alert that is an hour into the future would wait for an hour more."""
    one = rule(hold_s=60)
    found = Finding(labels=LABELS, value=1.0)
    alert, _ = advance(None, found, one, now_s=86_400, interval_s=INTERVAL_S)
    anew, _ = advance(alert, found, one, now_s=100, interval_s=INTERVAL_S)
    assert anew is not None
    assert anew.active_s == 100
    assert advance(anew, found, one, now_s=160, interval_s=INTERVAL_S)[1] == "firing"
    near, _ = advance(alert, found, one, now_s=86_399, interval_s=INTERVAL_S)
    assert near is not None
    assert near.active_s == 86_400, "a clock that is adjusted by a moment changes nothing"


def test_an_alert_ends_after_its_time_though_the_clock_was_set_back_meanwhile():
    """It must not stand there for the hours the clock lost."""
    one = rule(keep_firing_s=60)
    alert, _ = advance(None, Finding(labels=LABELS, value=1.0), one, now_s=86_400, interval_s=INTERVAL_S)
    alert, _ = advance(alert, None, one, now_s=86_415, interval_s=INTERVAL_S)
    alert, change = advance(alert, None, one, now_s=100, interval_s=INTERVAL_S)
    assert change is None
    assert advance(alert, None, one, now_s=160, interval_s=INTERVAL_S) == (None, "resolved")
