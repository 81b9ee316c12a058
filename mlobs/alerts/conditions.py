"""When a rule is broken, said of sums: the same for one moment and for a replay of many.

`sql` makes the sums of the rows of a moment, `replay.shapes` of windows that move; both name them alike.
"""

import math
from dataclasses import dataclass

from mlobs.alerts.indicators import Absence, BurnRate, Growth, PerCallGrowth, Quantile, Ratio

Value = str | int | float

ENOUGH = "volume >= {calls_min:UInt64}"
ABOVE = "value > {above:Float64}"


@dataclass(frozen=True, slots=True)
class Condition:
    """What is measured, and when that is too much.

    Args:
        value: An expression of sums.
        broken: A condition on sums and `value`.
        params: Of both.
    """

    value: str
    broken: str
    params: dict[str, Value]


def condition(of: Ratio | BurnRate | Growth | PerCallGrowth, parts: int = 1) -> Condition:
    """Return the condition of an indicator.

    Args:
        of: The indicator. Of calls there is `volume`; of a ratio `failed` too; of a burn rate also
            `calls_lately` and `bad_lately`; of what grows `recent`, `earlier` and `times`, or
            `calls_before`.
        parts: Into how many parts a unit of what grows is divided.
    """
    match of:
        case Ratio():
            return Condition("failed / volume", f"{ENOUGH} AND {ABOVE}", enough(of))
        case BurnRate():
            return Condition(
                "failed / volume / {allowed:Float64}",
                f"{ENOUGH} AND failed >= {{bad_min:UInt64}} AND {ABOVE} "
                # Where no call was made lately, none was bad.
                "AND ifNotFinite(bad_lately / calls_lately, 0) / {allowed:Float64} > {above:Float64}",
                {**enough(of), "allowed": 1 - of.objective, "bad_min": of.bad_min},
            )
        case Growth():
            return Condition(
                "recent / (earlier / times)",
                "recent >= {amount_min:Float64} AND times * {window_s:UInt64} >= {history_s:UInt64} "
                f"AND {ABOVE}",
                {"amount_min": of.amount_min * parts, "window_s": of.window_s, "history_s": of.history_s},
            )
    return Condition(  # Parts of a unit, in both.
        "(recent / volume) / (earlier / calls_before)",
        f"{ENOUGH} AND calls_before >= {{calls_min:UInt64}} AND {ABOVE}",
        enough(of),
    )


def enough(of: Ratio | BurnRate | Quantile | PerCallGrowth) -> dict[str, Value]:
    """Return the parameter of `ENOUGH`."""
    return {"calls_min": of.calls_min}


def used_to(of: Absence) -> float:
    """Return how many calls a service made in the memory before it fell silent if it is to be missed."""
    return of.calls_min * of.memory_s / of.window_s


def stretch(at_ms: str, of: Absence) -> str:
    """Return the number of the stretch in which a moment is; its last one belongs to it, its first does not.

    So it is in the increase that Prometheus says at the end of the stretch.
    """
    return f"intDiv({at_ms} - 1, {of.stretch_s * 1000})"


def busy_stretches(of: Absence) -> int:
    """Return in how many stretches of the memory a service made calls if it is to be missed."""
    return math.ceil(round(of.busy_share * of.stretches, 6))  # 0.55 of 100 are 55, and not 56.
