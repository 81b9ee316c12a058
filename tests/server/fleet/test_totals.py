"""What the server says was counted: over processes, restarts, repeats, and both temporalities."""

import time

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from mlobs.cli.fleet import ASKED
from mlobs.drift.fleet.totals import Learnt, Total
from mlobs.semconv import metrics as m
from tests.server.fleet.points import BINS, DELTA, MODELS, RANGES, Pod


@pytest.fixture
def model() -> str:
    return next(MODELS)


def totals(server, model: str, **times: int) -> list[Total]:
    server.drain()
    found = map(Total.of, server.store.named("drift_totals", {**ASKED, **times}))
    return [total for total in found if total.who.model == model]


def test_processes_and_their_starts_add_up_and_repeats_do_not(served, model):
    """A start begins at nought; what comes again, or late, changes nothing."""
    one, two = Pod(served, model, "one"), Pod(served, model, "two")
    now_s = time.time()
    one.send({"00": 5, "01": 1}, now_s=now_s - 60)
    two.send({"00": 7, "01": 0})
    one.send({"00": 9, "01": 1}, now_s=now_s)
    one.send({"00": 9, "01": 1}, now_s=now_s)
    one.send({"00": 6, "01": 1}, now_s=now_s - 30)
    Pod(served, model, "one", start_s=200).send({"00": 2, "01": 0})
    [total] = totals(served, model)
    assert total.counts == {"00": 18, "01": 1}
    assert total.ratios == BINS
    assert total.ranges == RANGES
    assert (total.reference_rows, total.design_effect, total.floor) == (1000, 2.5, None)
    assert total.processes == 3
    learnt = Learnt.of(total)
    assert learnt is not None
    assert learnt.reference == (100, 400, 300, 100, 100, 0)


def test_increases_add_up_whoever_they_come_from(served, model):
    """Delta temporality: through a collector that took the instance away, beside a process that has one."""
    for count in (3, 4, 0):
        Pod(served, model).send({"00": count}, DELTA)
    Pod(served, model, "two").send({"00": 10})
    [total] = totals(served, model)
    assert total.counts == {"00": 17}
    text = requests.get(f"{served.url}/metrics", timeout=30).text
    shown = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == m.DRIFT_OBSERVATIONS.prometheus and sample.labels["mlobs_model_name"] == model
    ]
    assert shown == [17]


@pytest.mark.slow
def test_processes_not_heard_of_since_a_time_are_left_out_and_told_of_once(served, model):
    """What is kept is what will be there next; increases are nobody's, and stay."""
    now_s, day_s = int(time.time()), 86_400
    Pod(served, model, "one").send({"00": 1, "01": 1}, now_s=now_s - 9 * day_s)
    Pod(served, model, "two").send({"00": 20}, now_s=now_s - 5 * day_s)
    Pod(served, model, "three").send({"00": 300})
    Pod(served, model, "").send({"00": 4000}, DELTA, now_s=now_s - 8 * day_s)
    [whole] = totals(served, model)
    assert (whole.counts, whole.kept) == ({"00": 4321, "01": 1}, None)
    since_s, next_s = now_s - 7 * day_s, now_s - 3 * day_s
    [first] = totals(served, model, next_s=since_s)
    assert (first.counts, first.kept) == ({"00": 4321, "01": 1}, {"00": 4320, "01": 0})
    [second] = totals(served, model, since_s=since_s, next_s=next_s)
    assert (second.counts, second.kept) == ({"00": 4320}, {"00": 4300})
    [third] = totals(served, model, since_s=next_s, next_s=next_s)
    assert (third.counts, third.kept) == ({"00": 4300}, None)
    assert totals(served, model, since_s=now_s + day_s, next_s=now_s + day_s) == []


@pytest.mark.slow
def test_segments_and_versions_of_a_profile_are_apart(served, model):
    """Each with its own counts."""
    pod = Pod(served, model, "one")
    pod.send({"00": 1})
    pod.send({"00": 2}, SEGMENT="de")
    pod.send({"00": 4}, PROFILE_REF="p2")
    found = {(total.who.ref, total.segment): total.counts["00"] for total in totals(served, model)}
    assert found == {("p1", ""): 1, ("p1", "de"): 2, ("p2", ""): 4}


def test_a_series_stays_itself_when_a_release_knows_another_label(served, model):
    """The release before wrote the same process' points without it; they are not counted twice."""
    Pod(served, model, "one", start_s=300).send({"00": 9})
    served.drain()
    older = ("mlobs_model_name", "mlobs_model_version", "mlobs_feature", "mlobs_profile_ref", "mlobs_bin")
    pairs = ", ".join(f"'{name}', Labels['{name}']" for name in older)
    with served.store.writing() as connection:
        connection.run(
            "INSERT INTO metric_latest SELECT MetricName, ServiceName, Instance, "
            f"CAST(map({pairs}), 'Map(LowCardinality(String), String)'), StartTimeUnix, "
            "TimeUnix - toIntervalSecond(9), 5 FROM metric_latest "
            "WHERE Labels['mlobs_model_name'] = {model:String} AND MetricName = {name:String}",
            {"model": model, "name": m.DRIFT_OBSERVATIONS.name},
        )
    [total] = totals(served, model)
    assert total.counts == {"00": 9}
    text = requests.get(f"{served.url}/metrics", timeout=30).text
    lines = [
        line for line in text.splitlines() if "drift_observations_total{" in line and f'"{model}"' in line
    ]
    assert [line.rsplit(" ", 1)[1] for line in lines] == ["9.0"]


def test_numbers_nobody_can_have_counted_are_left_out(served, model):
    """NaN, infinity and negative counts are a stranger's; the rest of the feature is judged."""
    Pod(served, model, "one").send({"00": 3, "01": float("nan"), "__null__": float("inf"), "__other__": -4})
    [total] = totals(served, model)
    assert total.counts["00"] == 3
    assert total.counts.keys() <= {"00", "01"}


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -4.0, 1e300])
def test_a_process_that_counts_what_cannot_be_takes_no_bin_from_the_others(served, model, odd):
    Pod(served, model, "one").send({"00": 3})
    Pod(served, model, "two").send({"00": odd})
    [total] = totals(served, model)
    assert total.counts == {"00": 3}
