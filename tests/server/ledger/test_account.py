"""What the ledger says of counts that hold, and of counts from which something was taken."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlobs.server.ledger.account import (
    FILTERED,
    LOST,
    MISSING,
    MORE,
    MOVING,
    NOTE,
    RESTART,
    UNKNOWN,
    account,
)
from mlobs.server.ledger.entries import HOPS, Entry, Way, read_entry
from mlobs.server.ledger.windows import between

COUNTS = st.integers(0, 10**6)
SIGNALS = st.sampled_from(["traces", "metrics", "logs"])


@st.composite
def chains(draw, *, sampler=True):
    """Return entries of every hop that hold, as a run of real processes leaves them."""
    signal = draw(SIGNALS)
    flow = draw(st.integers(1, 10**6))
    found = []
    for hop in HOPS:
        if hop == "sampler" and (signal != "traces" or not sampler):
            continue
        parts = _split(draw, flow, draw(st.integers(1, 3)))
        sent = 0
        for number, came in enumerate(parts):
            entry, onward = _hop(draw, hop, f"{hop} {number}", signal, came)
            found.append(entry)
            sent += onward
        flow = sent
    return found


def _hop(draw, hop, place, signal, came):
    own = draw(COUNTS) if hop in {"programs", "server"} else 0
    waits = draw(st.integers(0, came + own))
    left = came + own - waits
    dropped = draw(st.integers(0, left))
    rest = left - dropped
    parked = draw(st.integers(0, rest)) if hop == "programs" else 0
    rest -= parked
    kept = draw(st.integers(0, rest)) if hop == "sampler" else rest
    counted = hop == "programs"
    way = Way(
        sent=kept,
        dropped={"queue_full": dropped} if dropped else {},
        waiting=waits if counted else None,
        holds=waits > 0,
        bytes=None if counted else waits * 100,
    )
    judged = kept + dropped + waits
    entry = Entry(
        hop,
        place,
        signal,
        began_s=1000.0,
        came=came,
        own=own,
        parked=parked,
        samples=hop == "sampler",
        kept=judged if hop == "sampler" else None,
        left_out=rest - kept,
        ways={"": way},
    )
    return entry, kept


def _split(draw, count, ways):
    cuts = sorted(draw(st.lists(st.integers(0, count), min_size=ways - 1, max_size=ways - 1)))
    return [after - before for before, after in zip([0, *cuts], [*cuts, count], strict=True)]


@given(chains())
def test_counts_that_hold_sum_to_zero(entries):
    """Whatever waits, is dropped, left out or put on the disk, and in how many processes."""
    found = account(entries, whole=True)
    assert found.missing == 0
    assert {one.kind for one in found.findings} <= {"lost"}


@given(chains(), st.data())
def test_what_is_taken_between_two_hops_is_found_there(entries, data):
    """And no less, and nowhere else."""
    hops = list(dict.fromkeys(one.hop for one in entries))
    at = data.draw(st.integers(1, len(hops) - 1))
    place = data.draw(st.sampled_from([one.place for one in entries if one.hop == hops[at]]))
    taken = data.draw(st.integers(1, 1000))
    # What the hop before sent and this one never saw.
    upper = next(one for one in entries if one.hop == hops[at - 1])
    more = replace(
        upper,
        came=upper.came + taken,
        kept=None if upper.kept is None else upper.kept + taken,
        ways={"": replace(upper.way, sent=upper.way.sent + taken)},
    )
    # The flow above it carries the same records, so they come from further up as well.
    for hop in hops[: at - 1]:
        first = next(one for one in entries if one.hop == hop)
        grown = replace(
            first,
            came=first.came + taken,
            kept=None if first.kept is None else first.kept + taken,
            ways={"": replace(first.way, sent=first.way.sent + taken)},
        )
        entries = [grown if one is first else one for one in entries]
    entries = [more if one is upper else one for one in entries]
    missing = [one for one in account(entries, whole=True).findings if one.kind == MISSING]
    assert [(one.where, one.count) for one in missing] == [(f"{hops[at - 1]} -> {hops[at]}", taken)], place


@given(chains(), st.integers(1, 1000), st.data())
def test_what_a_hop_forgets_is_found_inside_it(entries, taken, data):
    """Where something waits in a queue whose records nobody counts, it shows once the queue is empty."""
    number = data.draw(st.integers(0, len(entries) - 1))
    one = entries[number]
    way = one.way
    if way.waiting is None:
        judged = one.came + one.own if one.kept is None else one.kept
        waits = judged - way.sent - sum(way.dropped.values())
        empty = {"": replace(way, holds=False, bytes=0)}
        if one.samples:  # What waited was left out instead.
            one = replace(one, kept=judged - waits, left_out=one.left_out + waits, ways=empty)
        else:
            one = replace(one, own=one.own - waits, ways=empty)
    forgot = replace(one, ways={"": replace(one.way, sent=one.way.sent - taken)})
    entries = [*entries[:number], forgot, *entries[number + 1 :]]
    missing = {
        found.where: found.count for found in account(entries, whole=True).findings if found.kind == MISSING
    }
    assert missing.get(one.place) == taken


@given(chains())
def test_an_entry_survives_json(entries):
    """The server sends them to the command."""
    assert [read_entry(one.document()) for one in entries] == entries
    assert [read_entry({**one.document(), "of_a_later_release": 1}) for one in entries] == entries


def _twice(one):
    way = replace(one.way, sent=2 * one.way.sent, dropped={key: 2 * n for key, n in one.way.dropped.items()})
    return replace(
        one,
        came=2 * one.came,
        own=2 * one.own,
        parked=2 * one.parked,
        kept=None if one.kept is None else 2 * one.kept,
        left_out=2 * one.left_out,
        ways={"": way},
    )


@given(chains())
def test_between_two_readings_only_the_growth_counts(entries):
    """Of programs the server has told the growth already."""
    now = [one if one.hop == "programs" else _twice(one) for one in entries]
    assert between(entries, now, 2000.0) == entries


def hop(name, came, sent, **more):
    way = Way(
        sent=sent, **{key: more.pop(key) for key in ("dropped", "holds", "bytes", "waiting") if key in more}
    )
    return Entry(name, name, "traces", **{"began_s": 0.0, **more}, came=came, ways={"": way})


def chain(**changed):
    """Return four hops through which 100 spans went."""
    made = {
        "programs": hop("programs", 100, 100, waiting=0),
        "sidecar": hop("sidecar", 100, 100),
        "gateway": hop("gateway", 100, 100),
        "server": hop("server", 100, 100),
    }
    return list({**made, **changed}.values())


def findings(entries, whole=True):
    return [(one.kind, one.where, one.count) for one in account(entries, whole=whole).findings]


def test_a_hop_that_was_started_again_is_looked_across():
    """Its counts are gone; those of its neighbours are not."""
    entries = chain(sidecar=hop("sidecar", 40, 40, complete=False))
    assert findings(entries) == []


def test_what_went_into_a_hop_that_was_started_again_and_never_came_out_is_its_restart_s():
    """The place and the cause are known, though no counter is left."""
    entries = chain(
        sidecar=hop("sidecar", 40, 40, complete=False),
        gateway=hop("gateway", 90, 90),
        server=hop("server", 90, 90),
    )
    assert findings(entries) == [(LOST, "programs -> gateway", 10)]
    assert account(entries, whole=True).lost


def test_what_a_sampler_that_was_started_again_left_out_or_lost_is_no_loss_for_sure():
    """Its counts are gone, so nobody knows which; an exit status must not guess."""
    sampler = hop("sampler", 40, 40, complete=False, samples=True, kept=40)
    entries = [*chain()[:3], sampler, hop("server", 90, 90)]
    assert findings(entries) == [(RESTART, "gateway -> server", 10)]
    assert not account(entries, whole=True).lost
    [silent] = between([sampler], [replace(sampler, came=0, samples=False, began_s=90.0)], 50.0)
    assert silent.samples  # One that has judged nothing yet does not say so.


def test_what_a_filter_left_out_is_no_loss_and_no_gap():
    """Somebody told it to; also where the hop is looked across."""
    left_out = replace(hop("gateway", 100, 95), filtered={"filter/health": 5})
    entries = chain(gateway=left_out, server=hop("server", 95, 95))
    found = account(entries, whole=True)
    assert [(one.kind, one.where, one.count) for one in found.findings] == [(FILTERED, "gateway", 5)]
    assert (found.missing, found.lost) == (0, False)
    across = chain(gateway=replace(left_out, complete=False), server=hop("server", 95, 95))
    assert findings(across) == [(FILTERED, "gateway", 5)]


def test_traces_that_were_cut_for_want_of_room_are_a_loss_though_nobody_counts_their_spans():
    """And only those of the time that is looked at."""
    why = "for they were larger than MLOBS_SAMPLER_TRACE_BYTES"
    sampler = hop("sampler", 100, 60, samples=True, kept=60, left_out=5, cut={why: 2})
    entries = [*chain()[:3], sampler, hop("server", 60, 60)]
    found = account(entries, whole=True)
    assert [(one.kind, one.says) for one in found.findings] == [
        (LOST, f"sampler: 2 traces were dropped {why}.")
    ]
    assert found.lost
    [grown] = between([sampler], [sampler], 50.0)
    assert grown.cut == {}


def test_what_may_wait_in_a_hop_that_was_started_again_is_not_known_yet():
    """Its queue is on the disk, and nobody counts the records in it."""
    entries = chain(
        sidecar=hop("sidecar", 40, 40, complete=False, holds=True, bytes=1000),
        gateway=hop("gateway", 90, 90),
        server=hop("server", 90, 90),
    )
    assert findings(entries) == [(UNKNOWN, "programs -> gateway", 10)]


def test_a_collector_that_was_only_looked_for_and_has_had_nothing_is_not_on_the_way():
    """It may belong to somebody else on this machine; one that was named has to have had what was sent."""
    idle = hop("sidecar", 0, 0)
    gateway = hop("gateway", 100, 100)
    assert findings(chain(sidecar=replace(idle, named=False), gateway=gateway)) == []
    assert (MISSING, "programs -> sidecar", 100) in findings(chain(sidecar=idle, gateway=gateway))
    refused = replace(idle, named=False, refused={"the collector took no more": 3})
    assert (MISSING, "programs -> sidecar", 100) in findings(chain(sidecar=refused, gateway=gateway))


def test_a_server_that_began_later_than_the_programs_cannot_be_compared():
    """It is the last hop, so there is nobody behind it to ask."""
    entries = chain(server=hop("server", 60, 60, began_s=500.0))
    assert findings(entries) == [(UNKNOWN, "gateway -> server", 40)]


def test_more_than_was_sent_is_no_loss():
    """An answer that was lost makes a sender send again."""
    entries = chain(gateway=hop("gateway", 105, 105), server=hop("server", 105, 105))
    assert findings(entries) == [(MORE, "sidecar -> gateway", 5)]


def test_with_collectors_that_nobody_asked_nothing_is_said_to_be_missing():
    """They may sample."""
    entries = [hop("programs", 100, 100, waiting=0), hop("server", 30, 30)]
    assert findings(entries, whole=False) == [(UNKNOWN, "programs -> server", 70)]
    assert findings(entries) == [(MISSING, "programs -> server", 70)]


def test_a_sampler_that_left_nothing_out_and_holds_nothing_has_lost_the_rest():
    """Without a trace left out nothing explains the difference."""
    sampler = hop("sampler", 100, 60, samples=True, kept=60)
    entries = [*chain(server=hop("server", 60, 60))[:3], sampler, hop("server", 60, 60)]
    assert findings(entries) == [(MISSING, "sampler", 40)]
    assert findings([replace(one, undecided=4) if one is sampler else one for one in entries]) == []


def test_the_server_is_counted_by_its_rows_over_a_restart():
    """Its counters begin anew; its tables do not."""
    then = [hop("server", 500, 500, rows=500)]
    now = [hop("server", 20, 20, began_s=90.0, rows=620, own=30)]
    [grown] = between(then, now, 50.0)
    assert (grown.complete, grown.came, grown.way.sent) == (True, 120, 120)
    assert not account([grown], whole=True).lost


def test_a_hop_that_is_gone_makes_its_kind_incomplete():
    """A pod that was taken away has counted, and cannot be asked."""
    then = [hop("sidecar", 10, 10), replace(hop("sidecar", 10, 10), place="other")]
    grown = between(then, [hop("sidecar", 12, 12)], 50.0)
    assert [(one.place, one.complete) for one in grown] == [("sidecar", True), ("other", False)]


def test_the_gap_of_a_hop_that_was_started_again_is_told_though_others_cover_it():
    """Who sends straight to the gateway brings as many as the sidecar lost."""
    entries = chain(
        sidecar=hop("sidecar", 100, 75, complete=False),
        gateway=hop("gateway", 300, 300),
        server=hop("server", 300, 300),
    )
    assert findings(entries) == [(UNKNOWN, "sidecar", 25), (MORE, "programs -> gateway", 200)]
    alone = chain(
        sidecar=hop("sidecar", 100, 75, complete=False),
        gateway=hop("gateway", 75, 75),
        server=hop("server", 75, 75),
    )
    assert findings(alone) == [(UNKNOWN, "sidecar", 25)]  # Not twice, once by its neighbours.
    last = chain(server=hop("server", 100, 75, complete=False))
    assert findings(last) == [(UNKNOWN, "server", 25)]


def test_what_readings_of_different_moments_may_hide_is_told_and_no_loss():
    """Of a Prometheus, which reads one hop after the other."""
    entries = chain(gateway=hop("gateway", 100, 100, blur=60), server=hop("server", 70, 40, blur=40))
    found = account(entries, whole=True)
    assert [(one.kind, one.where, one.count) for one in found.findings] == [
        (MOVING, "server", 30),
        (MOVING, "gateway -> server", 30),
    ]
    assert not found.lost


def test_what_went_past_the_collectors_is_not_missing_before_them():
    """Those of another way may answer at the ports where ours would."""
    others = {name: hop(name, 40, 40) for name in ("sidecar", "gateway")}
    assert findings(chain(**others)) == [(UNKNOWN, "programs -> server", 60)]
    less = chain(**others, server=hop("server", 90, 90))
    assert findings(less) == [(UNKNOWN, "programs -> server", 50), (MISSING, "programs -> sidecar", 10)]
    more = chain(**others, server=hop("server", 105, 105))
    assert findings(more) == [(UNKNOWN, "programs -> server", 60), (MORE, "gateway -> server", 5)]


def of_metrics(entries):
    return [replace(one, signal="metrics") for one in entries]


def test_metrics_that_programs_could_not_count_are_no_surplus():
    """What an export holds is counted in the next one, and the last has none."""
    entries = of_metrics(chain(programs=hop("programs", 80, 80, waiting=0)))
    assert findings(entries) == [(NOTE, "programs -> sidecar", 20)]


def test_programs_are_not_said_to_be_without_counts_while_their_metrics_wait():
    """A program's counts are metrics, and go the same way."""
    spans = chain()[1:]
    waiting = replace(hop("sidecar", 50, 0, holds=True), signal="metrics")
    [silent] = [one for one in account([*spans, waiting], whole=True).findings if one.signal == "traces"]
    assert "metrics are held up or lost in the sidecar" in silent.says
    assert "held up" not in account(spans, whole=True).findings[0].says


@pytest.mark.parametrize("missing", ["programs", "server"])
def test_a_hop_that_says_nothing_is_named(missing):
    """What cannot be known is said."""
    entries = [one for one in chain() if one.hop != missing]
    assert findings(entries) == [(UNKNOWN, missing, 0)]
