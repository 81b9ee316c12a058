"""What many processes count together: each row once, whatever comes late, twice or not at all."""

import json
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pytest

from mlobs.drift import distances
from mlobs.drift.fleet.fleet import Fleet
from mlobs.drift.fleet.totals import Total, Who, in_order

BINS = ("__below__", *(f"{i:02d}" for i in range(10)), "__above__", "__null__", "__other__")
P = np.array([0.005, *[0.0985] * 10, 0.005, 0.005, 0.0])
P /= P.sum()
ROWS = 200_000
WHO = Who("shop", "churn", "7", "p1")


def total(counts, feature="age", who=WHO, *, segment="", sent_s=0.0, p=P, **given) -> Total:
    return Total(
        who=who,
        feature=feature,
        segment=segment,
        counts=dict(zip(BINS, map(int, counts), strict=True)),
        ratios=dict(zip(BINS, map(float, p), strict=True)),
        reference_rows=ROWS,
        gaps=dict.fromkeys(BINS[:-3], 0.2),
        processes=3,
        sent_s=sent_s,
        **given,
    )


def fleet(**given) -> Fleet:
    return Fleet(
        **{"floor": 0.05, "false_alarms_per_year": 1.0, "interval_s": 60.0, "block_rows": 200} | given
    )


def shifted(share: float) -> np.ndarray:
    """Return P with `share` moved from the first inner bins to the last."""
    q = P.copy()
    q[1:4] -= share / 3
    q[8:11] += share / 3
    return q


def test_a_change_that_all_see_is_told_once_with_its_beginning():
    """Minutes of 600 rows; from minute 100 on a fifth of the values sits in other bins."""
    rng, watched, counted, raised = np.random.default_rng(1), fleet(), np.zeros(len(BINS)), []
    for minute in range(140):
        counted += rng.multinomial(600, P if minute < 100 else shifted(0.2))
        told = total(counted, sent_s=60.0 * minute, ranges={"07": "[70, 80)"})
        raised += [(minute, one) for one in watched.look([told], 60.0 * minute)]
    [(minute, watch)] = raised
    assert 100 < minute < 110
    assert watch.alarm
    assert watch.change_start is not None
    assert abs(watch.change_start.timestamp() - 6000) <= 120
    [now] = watched.watches()
    assert now.rows == 140 * 600
    assert 0.1 < now.tv_lower_bound < 0.2 < now.distances.tv + 0.03
    # What programs say a bin holds is what it is called.
    assert {move.bin for move in now.moves} <= {"00", "01", "02", "[70, 80)", "08", "09"}


def test_rows_before_the_first_look_are_counted_and_the_next_look_bets_on_them():
    """A server that starts late finds thousands of rows at once: one bet, made knowing nothing."""
    rng, watched = np.random.default_rng(6), fleet()
    counted = rng.multinomial(4_500, shifted(0.28)).astype(float)
    assert watched.look([total(counted)], 60.0) == []
    [first] = watched.watches()
    assert (first.rows, first.blocks) == (4_500, 1)
    assert first.distances.tv > 0.25
    counted += rng.multinomial(600, shifted(0.28))
    [raised] = watched.look([total(counted)], 120.0)
    assert raised.alarm
    assert raised.blocks == 2


def test_rows_of_a_quiet_minute_wait_and_none_is_lost():
    """Fewer than a block's rows are judged together with those of the next minutes."""
    watched, counted = fleet(), np.zeros(len(BINS))
    for minute in range(10):
        counted[3] += 45
        watched.look([total(counted)], 60.0 * minute)
    [watch] = watched.watches()
    assert watch.rows == 225 * 2  # blocks of five minutes


def test_totals_that_come_late_or_twice_or_shrink_count_each_row_once():
    """A look without news is no block; a store that lost data is counted from there on."""
    watched, counted = fleet(), np.full(len(BINS), 100.0)
    for seen in (counted, counted, counted - 50, counted - 50, counted):
        watched.look([total(seen)], 0.0)
    [watch] = watched.watches()
    assert watch.rows == 1400
    watched.look([], 60.0)
    assert [(one.rows, one.processes) for one in watched.watches()] == [(1400, 0)]


@pytest.mark.parametrize("cut", [1, 40, 103])
def test_a_restart_changes_nothing(cut):
    """What goes on from the saved state says the same as what went on by itself."""
    rng = np.random.default_rng(2)
    blocks = [rng.multinomial(500, P if minute < 90 else shifted(0.15)) for minute in range(120)]
    whole, first, second = fleet(), fleet(), fleet()
    sums = np.cumsum(blocks, axis=0)
    for minute, counted in enumerate(sums):
        if minute == cut:
            assert second.restore(first.save().model_dump_json())
        for one in (whole, first if minute < cut else second):
            one.look([total(counted, sent_s=1.0), total(counted, "target", sent_s=1.0)], 60.0 * minute)
    assert whole.watches() == second.watches()
    assert any(one.alarm for one in whole.watches())


def test_one_budget_holds_for_all_features_and_segments_of_a_model():
    """The threshold grows with the logarithm of how many there are."""
    alone, many = fleet(), fleet()
    counted = np.full(len(BINS), 100)
    alone.look([total(counted)], 0.0)
    many.look(
        [total(counted, f"f{i}", segment=segment) for i in range(10) for segment in ("", "de", "at")],
        0.0,
    )
    [one] = alone.watches()
    year = 365.25 * 24 * 60
    assert one.threshold == pytest.approx(np.log(year))
    assert {round(watch.threshold - np.log(year * 30), 9) for watch in many.watches()} == {0.0}


def test_a_floor_is_the_settings_or_the_monitors_own():
    """The wider of the two; and evidence about one floor is none about another."""
    counted = np.full(len(BINS), 100)
    for given, told, expected in (
        (None, None, 0.05), (None, 0.1, 0.1), (None, 7.0, 0.05), (0.02, None, 0.02),
        (0.02, 0.1, 0.1), (0.2, 0.1, 0.2),
    ):  # fmt: skip
        watched = fleet(floor=given)
        watched.look([total(counted, floor=told)], 0.0)
        assert [watch.floor for watch in watched.watches()] == [expected]
    watched = fleet(floor=None)
    for floor in (0.05, 0.2):
        watched.look([total(counted, floor=floor)], 0.0)
    assert [(watch.floor, watch.rows) for watch in watched.watches()] == [(0.2, 1400)]


def test_the_setting_does_not_narrow_the_floor_of_a_reference_that_swings():
    """Its counts are not divided, so a wave within the monitor's floor would be alarm after alarm."""
    rng = np.random.default_rng(3)
    alarms = {}
    for told in (None, 0.2):
        watched, counted, raised = fleet(floor=0.05), np.zeros(len(BINS)), 0
        for minute in range(300):
            counted += rng.multinomial(500, shifted(0.15 * np.sin(minute / 40)))
            raised += len(watched.look([total(counted, floor=told)], 60.0 * minute))
        alarms[told] = raised
        watched.look([total(counted)], 60.0 * 300)  # the monitor says nothing for a while
        assert [watch.floor for watch in watched.watches()] == [told or 0.05]
    assert alarms[None] > 0 == alarms[0.2]


def test_two_versions_of_a_profile_do_not_mix():
    """The ref keeps their bins apart."""
    watched = fleet()
    watched.look(
        [total(np.full(len(BINS), 100)), total(np.full(len(BINS), 7), who=WHO._replace(ref="p2"))], 0.0
    )
    assert sorted((watch.ref, watch.rows) for watch in watched.watches()) == [("p1", 1400), ("p2", 0)]


def test_a_feature_without_a_whole_reference_waits_for_it():
    """Half of the bins have come, or none, or numbers that nobody can have counted."""
    watched = fleet()
    half = total(np.full(len(BINS), 100))
    for ratios in ({}, dict(list(half.ratios.items())[:5])):
        watched.look([Total.of(row(half, ratios=ratios))], 0.0)
        assert watched.watches() == []
    watched.look(
        [Total.of(row(half, counts={**half.counts, "00": float("nan"), "01": 1e300, "02": -5.0}))], 0.0
    )
    [watch] = watched.watches()
    assert watch.rows == 1100


def row(one: Total, **changed: Mapping[str, float]) -> dict[str, object]:
    """Return a total as the store's answer has it."""
    given = {"counts": one.counts, "ratios": one.ratios, "gaps": one.gaps, "ranges": one.ranges} | changed
    return {
        **one.who._asdict(), "feature": one.feature, "segment": one.segment, "floor": 0.0, "is_floored": 0,
        **{name: list(map(list, found.items())) for name, found in given.items()},
        "reference_rows": one.reference_rows, "design_effect": 0.0, "processes": 1, "sent_s": 5.0, "kept": [],
    }  # fmt: skip


def test_a_saved_state_of_another_kind_is_refused():
    """Not a crash, and not half of it."""
    for text in ("", "{}", '{"format": 1, "cohorts": [{"who": 1}]}', "[" * 5000, b"\xff\xfe{", b"\x00"):
        assert not fleet().restore(text)
    watched = fleet()
    watched.look([total(np.full(len(BINS), 100))], 0.0)
    saved = watched.save().model_dump(mode="json")
    assert fleet().restore(json.dumps(saved))
    [cohort], [feature] = saved["cohorts"], saved["cohorts"][0]["features"]
    for damage in (
        {"features": []},
        {"features": [{**feature, "bins": []}]},
        {"features": [{**feature, "reference": [1, 2]}]},
        {"features": [{**feature, "reference": [0] * len(BINS)}]},
        {"features": [{**feature, "design_effect": 0}]},
        {"seen": [[1, 2], [3]]},
        {"seen": [[10**30] * len(BINS)]},
        {"seen": [[1]]},
        {"past": [[1], [1, 2]]},
        {"detector": {**cohort["detector"], "alarm": "2x:zz"}},
    ):
        watched = fleet()
        assert not watched.restore(json.dumps({**saved, "cohorts": [{**cohort, **damage}]}))
        assert watched.watches() == []
        watched.look([total(np.full(len(BINS), 100))], 0.0)
        assert len(watched.watches()) == 1


DAY_S = 86_400.0


def test_a_profile_that_nobody_tells_of_for_a_week_makes_room(monkeypatch):
    """And its features no longer have a share in the budget; what its counters still say is not news."""
    monkeypatch.setattr("mlobs.drift.fleet.fleet.FEATURES_MAX", 2)
    watched, counted = fleet(), np.full(len(BINS), 100)
    for hour in range(24 * 9):
        now_s = hour * DAY_S / 24
        refs = [f"p{hour // 24}", *(f"p{day}" for day in range(hour // 24))]  # the oldest are silent
        sent = [now_s, *((day + 1) * DAY_S for day in range(hour // 24))]
        looked = [
            total(counted, who=WHO._replace(ref=ref), sent_s=sent_s)
            for ref, sent_s in zip(refs, sent, strict=True)
        ]
        watched.look(looked, now_s)
    assert [watch.ref for watch in watched.watches()] == ["p1", "p8"]  # p0 is forgotten
    assert watched.left_out == 6
    watched.look([total(counted, who=WHO._replace(ref="p8"), sent_s=1.0)], 9.5 * DAY_S)
    assert "p0" not in watched.save().model_dump_json()


def test_a_server_that_was_down_forgets_nobody():
    """Nobody was silent: it did not listen. The same for a clock that was put back."""
    counted = np.full(len(BINS), 100)
    watched = fleet()
    watched.look([total(counted, sent_s=5.0)], 10.0)
    again = fleet()
    assert again.restore(watched.save().model_dump_json())
    assert again.window(30 * DAY_S) == (0, 0, False)
    again.look([total(counted, sent_s=5.0)], 30 * DAY_S)
    again.look([total(counted + 50, sent_s=30 * DAY_S)], 30 * DAY_S + 60)
    assert [watch.rows for watch in again.watches()] == [2100]
    again.look([total(counted + 50, sent_s=30 * DAY_S)], 20 * DAY_S)
    assert again.window(20 * DAY_S + 60) == (0, 0, False)
    assert len(again.watches()) == 1


def run(watched: Fleet, counts_at, days: int, first: int = 0) -> None:
    """Look once an hour at what the processes of `counts_at(hour)` have counted: (counts, when it sent)."""
    for hour in range(24 * first, 24 * days):
        now_s = hour * DAY_S / 24
        window = watched.window(now_s)
        found = [(counts, sent_s) for counts, sent_s in counts_at(hour) if sent_s >= window.since_s]
        if not found:
            watched.look([], now_s, window)
            continue
        kept = sum((counts for counts, sent_s in found if sent_s >= window.next_s), np.zeros(len(BINS)))
        one = total(
            sum(counts for counts, _ in found), sent_s=max(sent_s for _, sent_s in found),
            kept=dict(zip(BINS, map(int, kept), strict=True)) if window.next_s > window.since_s else None,
        )  # fmt: skip
        watched.look([one], now_s, window)


def test_processes_that_ended_long_ago_are_asked_for_no_more_and_stay_counted():
    """A pod a day, each with 24 * 1000 rows, for a month, over a restart; no row is lost or counted twice."""
    rng = np.random.default_rng(6)
    blocks = np.array([rng.multinomial(1000, P) for _ in range(24 * 30)])
    asked = []

    def counts_at(hour: int):
        pods = [
            (blocks[24 * day : min(24 * (day + 1), hour + 1)].sum(axis=0), min(24 * (day + 1), hour) * 3600.0)
            for day in range(hour // 24 + 1)
        ]
        asked.append(sum(sent_s >= watched.since_s for _, sent_s in pods))
        return pods

    whole, watched = fleet(), fleet()
    for hour, counted in enumerate(np.cumsum(blocks, axis=0)):
        whole.look([total(counted, sent_s=hour * 3600.0)], hour * 3600.0)
    run(watched, counts_at, 20)
    saved = watched.save().model_dump_json()
    watched = fleet()
    assert watched.restore(saved)
    run(watched, counts_at, 30, first=20)
    assert max(asked) <= 10 < 30
    assert watched.watches() == whole.watches()


def test_rows_that_wait_for_a_block_outlive_their_process():
    """They are judged with those of the next one, though nobody asks for their process any more."""
    watched = fleet(block_rows=2000)
    few, more = np.full(len(BINS), 100), np.full(len(BINS), 50)

    def counts_at(hour: int):
        return [(few, 3600.0), *([(more, hour * 3600.0)] if hour > 24 * 12 else [])]

    run(watched, counts_at, 6)
    assert [watch.rows for watch in watched.watches()] == [0]
    keeping = [(few, 3600.0)]
    run(watched, lambda hour: [*keeping, (few * 0, hour * 3600.0)], 12, first=6)
    assert watched.since_s > 3600
    run(watched, lambda hour: [(more, hour * 3600.0)], 13, first=12)
    assert [watch.rows for watch in watched.watches()] == [2100]


def test_a_clock_that_was_ahead_makes_no_block_of_what_was_counted_before():
    """Processes it let go are in the totals again; their rows are not news."""
    watched, counted = fleet(), np.full(len(BINS), 100)
    for now_s in (0.0, 60.0):
        watched.look([total(counted, sent_s=now_s)], now_s, watched.window(now_s))
    watched.since_s = int(400 * DAY_S)  # where such a clock has brought it
    window = watched.window(120.0)
    assert window == (0, 0, True)
    watched.look([total(counted * 5, sent_s=120.0)], 120.0, window)
    assert [watch.rows for watch in watched.watches()] == [1400]
    assert watched.window(180.0) == (0, 0, False)
    watched.look([total(counted * 5 + 50, sent_s=180.0)], 180.0, watched.window(180.0))
    assert [watch.rows for watch in watched.watches()] == [2100]


def test_distances_are_those_of_the_distances_module():
    """Over the last blocks; ks and w1 over the axis alone."""
    watched = fleet()
    counted = np.array([3, *range(50, 150, 10), 9, 20, 11])
    watched.look([total(counted)], 0.0)
    [watch] = watched.watches()
    reference = np.round(P * ROWS)
    places = np.arange(12) * 0.2
    assert asdict(watch.distances) == {
        "psi": distances.population_stability_index(reference, counted),
        "js": distances.jensen_shannon(reference, counted),
        "tv": distances.total_variation(reference, counted),
        "ks": distances.kolmogorov_smirnov(reference[:12], counted[:12]),
        "w1": pytest.approx(distances.wasserstein(reference[:12], counted[:12], places, 1.0)),
    }
    assert watch.missing_ratio == 20 / counted.sum()
    assert watch.outside_ratio == 12 / counted.sum()


def test_bins_are_in_the_order_of_their_axis():
    """However the store sorts them."""
    assert in_order(reversed(BINS)) == list(BINS)
    assert in_order(["__rest__", "b", "__null__", "a", "__other__"]) == [
        "a",
        "b",
        "__rest__",
        "__null__",
        "__other__",
    ]
