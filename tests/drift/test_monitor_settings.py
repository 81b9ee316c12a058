"""What a monitor can be asked for is checked before anything is counted."""

import pytest

from mlobs.drift.streams.settings import check, path_of
from mlobs.errors import SettingError

USUAL = {
    "floor": 0.05,
    "false_alarms_per_year": 1.0,
    "block_rows": 200,
    "segments_max": 20,
    "join_within_s": 60.0,
    "pending_max": 1_000,
}


@pytest.mark.parametrize("name", ["block_rows", "segments_max", "pending_max"])
@pytest.mark.parametrize("value", [2.5, 3.0, float("nan"), float("inf"), True, "7", None, -1])
def test_what_is_counted_is_a_whole_number(name, value):
    """A block of 2.5 rows never ends, and then nothing is judged."""
    with pytest.raises(
        SettingError, match=rf"{name}=.* cannot be used: at least .* was expected, a whole number"
    ):
        check("m@1", USUAL | {name: value}, 100, None)


@pytest.mark.parametrize("name", ["floor", "false_alarms_per_year", "join_within_s"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, True, "7", None])
def test_what_is_measured_is_a_finite_number(name, value):
    """NaN is neither above nor below anything."""
    with pytest.raises(SettingError, match=f"{name}=.* cannot be used"):
        check("m@1", USUAL | {name: value}, 100, None)


def test_a_queue_has_a_whole_number_of_places():
    """It is counted like the others, beside them."""
    with pytest.raises(SettingError, match=r"queue_rows_max=1\.5 cannot be used"):
        check("m@1", USUAL, 1.5, None)
    check("m@1", USUAL, 1, None)


@pytest.mark.parametrize("state", [5, "", b"state.json", "/"])
def test_a_state_is_the_path_of_a_file(state):
    """And no number or folder; what it cannot be is said at once."""
    with pytest.raises(SettingError, match=r"state=.* cannot be used: the path of a file was expected"):
        path_of(state)
