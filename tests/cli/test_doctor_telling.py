"""`mlobs doctor --loss` in words: what moved while it was read is no surplus, and what it comes to."""

import argparse
import json

import pytest

from mlobs.cli.doctor import loss
from mlobs.cli.doctor.telling import Span, sentences, settled
from mlobs.server.ledger.account import LOST, MISSING, MORE, MOVING, RESTART, UNKNOWN, Account, Finding, Line
from mlobs.server.ledger.entries import Entry, Way

WINDOW = Span("in 10 s", seconds=10, reading_s=0.5, read_s=1_000)


def ledger(more, kind=MORE, came=1_000.0, sent=1_000.0):
    """Return a ledger with a thousand spans and a finding."""
    lines = (
        Line("sidecar", "traces", came=came, sent=sent, began_s=900.0),
        Line("gateway", "traces", came=1_000 + more, sent=1_000),
    )
    where = "sidecar -> gateway" if kind == MORE else "gateway"
    return Account(lines, (Finding(kind, "traces", where, more, f"{more} spans."),))


def test_what_moved_while_it_was_read_is_on_its_way_and_no_surplus():
    """A hundred a second: a reading of half a second and a leap of one explain 150."""
    found, moved = settled(ledger(140), WINDOW)
    assert (found.findings, moved) == ((), 140)
    [note, last] = sentences(found, WINDOW, moved)
    assert note.startswith("note    Data went on while the counts were read (0.5 s)")
    assert last.startswith("Nothing is missing (in 10 s): all that came to a hop was sent on")


def test_what_reading_does_not_explain_stays_a_surplus():
    """Something came from elsewhere, or twice."""
    found, moved = settled(ledger(200), WINDOW)
    assert moved == 0
    assert sentences(found, WINDOW)[0] == "surplus 200 spans."


def test_without_a_window_the_rate_is_that_since_the_hop_itself_was_started():
    """A thousand in a hundred seconds: ten a second, however young the hop behind is."""
    ever = Span("ever", reading_s=0.5, read_s=1_000)
    assert settled(ledger(15), ever)[1] == 15
    assert settled(ledger(16), ever)[1] == 0
    young = ledger(16)
    young.lines[1].began_s = young.lines[1].newest_s = 999.0
    assert settled(young, ever)[1] == 0
    assert settled(ledger(1), Span("the last 6h, by Prometheus"))[1] == 0


def test_what_was_dropped_and_what_is_missing_are_summed_up():
    """The last line is what people read."""
    assert sentences(ledger(12, LOST), WINDOW)[-1].startswith("12 records were lost, see above.")
    assert sentences(ledger(0, LOST), WINDOW)[-1].startswith("Whole traces were lost, see above.")
    assert sentences(Account((), ()), WINDOW) == [
        "Nothing came in these 10 s; without --for it tells of all since each hop began."
    ]
    last = sentences(ledger(12, MISSING), WINDOW)[-1]
    assert last.startswith("12 records are missing that no counter explains (in 10 s). Look at the log")
    assert sentences(Account((), ()), Span("all that was counted")) == [
        "Nobody has counted anything: no program, collector or server has had data yet."
    ]


def test_what_cannot_be_told_is_not_told_as_not_missing():
    """Nor what a restart took as dropped."""
    assert sentences(ledger(12, UNKNOWN), WINDOW)[-1] == (
        "No counter shows anything missing (in 10 s); 12 cannot be told, see above."
    )
    both = ledger(12, RESTART)
    lost = Finding(LOST, "traces", "gateway", 3, "3 spans.")
    both = Account(both.lines, (*both.findings, lost, Finding(UNKNOWN, "logs", "server", 0, "No server.")))
    assert sentences(both, WINDOW)[-1] == (
        "No counter shows anything missing (in 10 s); 12 went with the counts of a restart, see above. "
        "3 records were lost as told above."
    )
    unjudged = Account(both.lines, (Finding(RESTART, "traces", "sampler", 0, "7 traces."),))
    assert "; some traces went with the counts of a restart, see above." in sentences(unjudged, WINDOW)[-1]
    silent = Account(both.lines, (Finding(UNKNOWN, "logs", "server", 0, "No server."),))
    assert sentences(silent, WINDOW)[-1].startswith("Nothing is missing (in 10 s)")


def test_what_had_not_come_on_when_last_read_is_not_told_as_not_missing():
    """Prometheus reads at different moments; who asks again knows."""
    held = ledger(12, MOVING)
    assert sentences(held, WINDOW)[-1] == (
        "No counter shows anything missing (in 10 s); 12 had not come on when last read, see above."
    )
    both = Account(held.lines, (*held.findings, Finding(UNKNOWN, "logs", "gateway", 3, "3 logs.")))
    assert "; 3 cannot be told, 12 had not come on" in sentences(both, WINDOW)[-1]


def test_a_hop_that_sent_what_waited_before_is_explained():
    """Its line says more sent than came."""
    assert "note    A hop that sent more than came to it had some waiting from before." in sentences(
        ledger(0, came=900.0), WINDOW
    )
    assert len(sentences(ledger(0, came=900.0), Span("ever"))) == 2


def test_a_program_reads_no_surplus_that_reading_explains(monkeypatch, capsys):
    """--json and the table are of one ledger."""

    def hop(name, began_s, came, sent):
        way = {"next": Way(sent=sent)}
        return Entry(name, name, "traces", began_s=began_s, came=came, ways=way, onward="next")

    hops = [hop("sidecar", 900.0, 1_000, 1_000), hop("gateway", 890.0, 1_010, 1_010)]
    span = Span("ever", reading_s=0.5, read_s=1_000)
    monkeypatch.setattr(loss, "_source", lambda _arguments: (lambda: hops, {}, lambda: span))
    assert loss.loss(argparse.Namespace(json=True)) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one for one in told["findings"] if one["kind"] == MORE] == []
    assert (told["on_their_way"], told["missing"], told["lost"]) == (10, 0, False)


@pytest.mark.parametrize(
    ("sent", "dropped", "waiting", "status"),
    [(100, {}, 0, 0), (60, {}, 40, 0), (90, {"queue_full": 10}, 0, 1), (90, {}, 0, 1)],
)
def test_the_exit_status_is_1_where_something_is_gone_for_good(
    monkeypatch, capsys, sent, dropped, waiting, status
):
    """Not where all is there, or waits: for cron."""
    monkeypatch.setattr(loss, "CONFIRM_SECONDS", 0.0)
    way = {"next": Way(sent=sent, dropped=dropped, waiting=waiting, holds=waiting > 0)}
    hops = [
        Entry("programs", "shop", "traces", began_s=900.0, came=100, ways=way, onward="next"),
        Entry("server", "server", "traces", began_s=890.0, came=sent, ways={"": Way(sent=sent)}),
    ]
    span = Span("ever", reading_s=0.5, read_s=1_000)
    monkeypatch.setattr(loss, "_source", lambda _arguments: (lambda: hops, {}, lambda: span))
    assert loss.loss(argparse.Namespace(json=False)) == status
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("Nothing is missing") == (status == 0)
