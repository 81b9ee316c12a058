"""The floor: the share of a column's values that may sit in the wrong bin before that counts as drift."""

from typing import Literal

from mlobs.errors import SettingError

Floor = float | Literal["learned"]  # the share, or the one that each column's own days have taught

LEARNED: Literal["learned"] = "learned"
FLOOR = 0.05


def refuse_no_floor(given: object) -> None:
    """Refuse what is no floor.

    Raises:
        SettingError: It is neither a share nor "learned".
    """
    share = isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given < 1
    if given != LEARNED and not share:
        raise SettingError(
            f"floor={given!r} cannot be used: a share from 0 to below 1 was expected, as 0.05, or 'learned'."
        )


def floor_of(given: Floor, learned: float | None) -> float:
    """Return a column's floor: the one given, or its own, or the usual one where none was learned.

    >>> floor_of(0.1, 0.2), floor_of("learned", 0.2), floor_of("learned", None)
    (0.1, 0.2, 0.05)
    """
    if isinstance(given, str):
        return FLOOR if learned is None else learned
    return given
