"""`mlobs doctor --loss` in words: what moved while it was read is no surplus, and what it comes to."""

from mlobs.cli.doctor.telling import Span, sentences, settled
from mlobs.server.ledger.account import LOST, MISSING, MORE, Account, Finding, Line

WINDOW = Span("in 10 s", seconds=10, reading_s=0.5, read_s=1_000)


def ledger(more, kind=MORE, came=1_000.0, sent=1_000.0):
    """Return a ledger with a thousand spans and a finding."""
    lines = (
        Line("sidecar", "traces", came=came, sent=sent, newest_s=900.0),
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


def test_without_a_window_the_rate_is_that_since_the_youngest_was_started():
    """A thousand in a hundred seconds: ten a second."""
    ever = Span("ever", reading_s=0.5, read_s=1_000)
    assert settled(ledger(15), ever)[1] == 15
    assert settled(ledger(16), ever)[1] == 0
    assert settled(ledger(1), Span("the last 6h, by Prometheus"))[1] == 0


def test_what_was_dropped_and_what_is_missing_are_summed_up():
    """The last line is what people read."""
    assert "was dropped as told above (12), or waits there." in sentences(ledger(12, LOST), WINDOW)[-1]
    last = sentences(ledger(12, MISSING), WINDOW)[-1]
    assert last.startswith("12 records are missing that no counter explains (in 10 s). Look at the log")
    assert sentences(Account((), ()), WINDOW) == [
        "Nobody has counted anything: no program, collector or server has had data yet."
    ]


def test_a_hop_that_sent_what_waited_before_is_explained():
    """Its line says more sent than came."""
    assert "note    A hop that sent more than came to it had some waiting from before." in sentences(
        ledger(0, came=900.0), WINDOW
    )
    assert len(sentences(ledger(0, came=900.0), Span("ever"))) == 2
