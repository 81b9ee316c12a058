"""What a monitor can be asked for."""

from collections.abc import Sequence
from pathlib import Path
from sys import float_info
from typing import Any, TypedDict

from mlobs.drift.calendar import DAY_S
from mlobs.drift.floors import Floor, refuse_no_floor
from mlobs.drift.profile import Profile, names_of
from mlobs.errors import SettingError

BLOCK_ROWS = 200
JOIN_WITHIN_S = 7.0 * DAY_S
PENDING_MAX = 1_000_000


class Settings(TypedDict):
    """How rows are judged. `Monitor` says what each one means."""

    floor: Floor
    false_alarms_per_year: float
    block_rows: int
    segments_max: int
    join_within_s: float
    pending_max: int


def profile_of(given: Any) -> Profile:
    """Return a profile, or read it from its file.

    Raises:
        SettingError: It is neither a profile nor a path.
        DataError: The file cannot be read.
        ProfileError: It is not a profile of this version.
    """
    if isinstance(given, Profile):
        return given
    if not isinstance(given, str | Path):
        raise SettingError(
            f"A {type(given).__name__} is no profile. Wanted: a Profile, or the path of its file. Of data, "
            f"make one with: Profile.of(data)"
        )
    return Profile.read(given)


def path_of(state: Any) -> Path:
    """Return the path of a monitor's state.

    Raises:
        SettingError: It is none.
    """
    if not isinstance(state, str | Path) or not Path(state).name:
        raise SettingError(
            f"state={state!r} cannot be used: the path of a file was expected, or of a folder that exists."
        )
    return Path(state)


def check(model: Any, settings: Settings, queue_rows_max: int, on_alarm: Any) -> None:
    """Refuse what cannot be used.

    Raises:
        SettingError: A value is out of range, or there is no model's name.
    """
    if not model:
        raise SettingError(
            "A monitor needs the model's name. Give it model='churn@7', or profile with --model."
        )
    if not isinstance(model, str):
        raise SettingError(f"model={model!r} cannot be used: a name was expected, such as 'churn@7'.")
    if on_alarm is not None and not callable(on_alarm):
        raise SettingError(
            f"on_alarm={on_alarm!r} cannot be used: a function was expected, which is called with each alarm."
        )
    refuse_no_floor(settings["floor"])
    false_alarms = settings["false_alarms_per_year"]
    if not (_is_number(false_alarms) and false_alarms > 0):
        raise SettingError(f"false_alarms_per_year={false_alarms!r} cannot be used: it must be above 0.")
    if not (_is_number(settings["join_within_s"]) and settings["join_within_s"] > 0):
        raise SettingError(f"join_within_s={settings['join_within_s']!r} cannot be used: it must be above 0.")
    least = {
        "block_rows": (settings["block_rows"], 1, "row"),
        "queue_rows_max": (queue_rows_max, 1, "row"),
        "pending_max": (settings["pending_max"], 1, "prediction"),
        "segments_max": (settings["segments_max"], 0, "segments"),
    }
    for name, (value, minimum, what) in least.items():
        if not _is_number(value) or not isinstance(value, int) or value < minimum:
            raise SettingError(
                f"{name}={value!r} cannot be used: at least {minimum} {what} was expected, a whole number."
            )


def watched(profile: Profile, by: str | Sequence[str] | None) -> Profile:
    """Return the profile with the segments that were asked for: its own, or none.

    Raises:
        SettingError: It has others, or no features.
    """
    if not profile.features:
        raise SettingError("The profile has no features, so there is nothing to watch.")
    if by is None:
        return profile
    if not isinstance(by, str | Sequence):
        raise SettingError(
            f"by={by!r} cannot be used: the name of a column was expected, or a list of names."
        )
    by = names_of(by)
    if not by:
        return profile.model_copy(update={"segments": {}})
    if by != profile.by:
        has = f"segments by {', '.join(profile.by)}" if profile.by else "no segments"
        flags = " ".join(f"--by {name}" for name in by)
        raise SettingError(
            f"by={list(by)} cannot be used: the profile has {has}. Make one that has these: "
            f"mlobs drift profile DATA {flags} -o FILE"
        )
    return profile


def _is_number(value: Any) -> bool:
    """Return whether a value is a finite number, as a double."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= float_info.max
