"""What is no text ends nothing: it would stand in what is told, and in what is remembered."""

import pytest

from mlobs.alerts.receive.by_hand import FIELDS, ByHand
from mlobs.alerts.receive.ledger import firing
from mlobs.errors import PayloadError
from tests.alerts.desks import BEGAN_S, Desk
from tests.alerts.webhooks import alert


@pytest.mark.parametrize("field", FIELDS)
def test_half_a_character_ends_nothing(tmp_path, field):
    """JSON may have one, and no answer can say it again: the history of alerts could not be asked for."""
    desk = Desk(tmp_path)
    try:
        desk.hears(alert(starts_s=BEGAN_S))
        [one] = firing(desk.outbox)
        given = {"fingerprint": one["fingerprint"], "who": "ann", "why": "it is gone", field: "half\ud83d"}
        with pytest.raises(PayloadError, match="no text"):
            ByHand(desk.outbox, lambda: desk.now_s).end(given)
        assert firing(desk.outbox) == [one]
    finally:
        desk.stop()
