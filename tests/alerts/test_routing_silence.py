"""For a while nobody is told that some alerts begin; nothing is lost by it."""

from typing import Any

from mlobs.alerts.routing.silence import Silence, add, end
from tests.alerts.routed import Routed, shown

TEAM = {"name": "team", "sinks": ["team"]}


def silenced(routed: Routed, *matchers: str, for_s: float = 600.0, name: str = "s1") -> Silence:
    made = Silence(
        id=name,
        matchers=matchers,
        made_s=routed.now_s,
        until_s=routed.now_s + for_s,
        who="ann",
        why="a deploy",
    )
    add(made, routed.state)
    return made


def receipts(told: list[tuple[str, str, str]]) -> Any:
    return [(sink, kind) for sink, kind, _ in told]


def test_an_alert_that_begins_under_a_silence_leaves_a_receipt_and_tells_nobody():
    routed = Routed(TEAM)
    silenced(routed, 'name="a"')
    assert routed.tell("a") == [("team", "muted", "firing")]
    assert routed.tell("b") == [("team", "page", "firing")]


def test_what_still_fires_when_its_silence_ends_is_told_then():
    routed = Routed(TEAM)
    silenced(routed, 'name="a"', for_s=60)
    routed.tell("a")
    assert shown(routed.wake(after_s=30)) == []
    assert shown(routed.wake(after_s=40)) == [("team", "page", "firing")]
    assert shown(routed.wake(after_s=40)) == []
    assert routed.tell("a", "resolved") == [("team", "page", "resolved")]


def test_what_ended_under_its_silence_is_told_to_nobody():
    routed = Routed(TEAM)
    silenced(routed, 'name="a"', for_s=60)
    routed.tell("a")
    assert routed.tell("a", "resolved") == [("team", "muted", "resolved")]
    assert shown(routed.wake(after_s=100)) == []


def test_who_was_told_of_a_beginning_is_told_of_the_end_under_a_silence():
    routed = Routed(TEAM)
    assert routed.tell("a") == [("team", "page", "firing")]
    silenced(routed, 'name="a"')
    assert routed.tell("a", "resolved") == [("team", "page", "resolved")]


def test_a_silence_that_is_ended_early_tells_what_it_kept_at_once():
    routed = Routed(TEAM)
    made = silenced(routed, 'name="a"')
    routed.tell("a")
    end(made, routed.state, routed.now_s)
    assert shown(routed.wake(after_s=1)) == [("team", "page", "firing")]


def test_what_was_ended_and_resolved_before_anybody_looked_is_not_told():
    routed = Routed(TEAM)
    made = silenced(routed, 'name="a"')
    routed.tell("a")
    end(made, routed.state, routed.now_s)
    assert routed.tell("a", "resolved", after_s=0.1) == [("team", "muted", "resolved")]
    assert shown(routed.wake(after_s=1)) == []


def test_a_second_silence_goes_on_when_the_first_ends():
    routed = Routed(TEAM)
    silenced(routed, 'name="a"', for_s=100)
    routed.tell("a")
    silenced(routed, 'severity="warning"', for_s=300, name="s2")
    assert receipts(shown(routed.wake(after_s=150))) == [("team", "muted")]
    assert shown(routed.wake(after_s=200)) == [("team", "page", "firing")]


def test_what_waits_for_its_group_is_not_told_if_it_is_silenced_meanwhile():
    routed = Routed({**TEAM, "group_wait_s": 30})
    assert routed.tell("a") == []
    assert routed.tell("b") == []
    silenced(routed, 'name="a"', for_s=600)
    told = shown(routed.wake(after_s=40))
    assert sorted(receipts(told)) == [("team", "muted"), ("team", "page")]
    assert routed.tell("a", "resolved") == [("team", "muted", "resolved")]


def test_a_list_of_ended_silences_is_kept_for_a_month():
    routed = Routed(TEAM)
    silenced(routed, 'name="a"', for_s=60)
    routed.wake(after_s=100)
    assert [row["id"] for row in routed.state.rows("silenced", "all")] == ["s1"]
    routed.wake(after_s=31 * 86_400)
    assert routed.state.rows("silenced", "all") == []
