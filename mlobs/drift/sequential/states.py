"""What a detector keeps over a restart: arrays, packed so that not one bit is lost."""

import base64
import binascii
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, FiniteFloat, PlainSerializer, PlainValidator


def pack(array: NDArray[Any]) -> str:
    """Return the array as text: its shape, then its values as float64 in base64.

    >>> pack(np.zeros((2, 1)))
    '2x1:AAAAAAAAAAAAAAAAAAAAAA=='
    """
    values = np.ascontiguousarray(array, dtype="<f8")
    return f"{'x'.join(map(str, values.shape))}:{base64.b64encode(values.tobytes()).decode()}"


def unpack(text: Any) -> NDArray[np.float64]:
    """Return the array that `pack` wrote.

    Raises:
        ValueError: The text is not such an array.

    >>> unpack("2x1:AAAAAAAAAAAAAAAAAAAAAA==").tolist()
    [[0.0], [0.0]]
    """
    if isinstance(text, np.ndarray):
        return np.asarray(text, dtype=np.float64)
    if not isinstance(text, str):
        raise ValueError(f"an array packed as text was expected, not {type(text).__name__}")  # noqa: TRY004
    shape, _, data = text.partition(":")
    try:
        values = np.frombuffer(base64.b64decode(data, validate=True), dtype="<f8")
    except binascii.Error:
        raise ValueError("an array packed as text was expected, not damaged base64") from None
    return values.reshape([int(size) for size in shape.split("x")]).astype(np.float64)


def finite(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an array of numbers that are all finite.

    Raises:
        ValueError: One is not; evidence that is no number would never again raise an alarm.
    """
    if not np.isfinite(array).all():
        raise ValueError("finite numbers were expected, not NaN or infinity")
    return array


def logarithms(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an array of logarithms: finite, or that of 0.

    Raises:
        ValueError: One is NaN or plus infinity.
    """
    finite(array[array != -np.inf])
    return array


_as_text = PlainSerializer(pack, return_type=str)
Packed = Annotated[NDArray[Any], PlainValidator(unpack), AfterValidator(finite), _as_text]
PackedLogs = Annotated[NDArray[Any], PlainValidator(unpack), AfterValidator(logarithms), _as_text]


class State(BaseModel):
    """All that a detector knows of the past. Restored, it goes on as if nothing had happened.

    Shapes: m memories, f features, k bins of the feature that has most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    blocks: int
    unspent: FiniteFloat  # of the budget of starting points
    log_wealth: PackedLogs  # (m, f)
    log_ever: PackedLogs  # (m, f): wealth over all starting points, never reset
    ever_peak: Packed  # (f,): the largest log e so far
    memory: Packed  # (m, f, k)
    expected: Packed  # (m, f, k): what the reference expected in the place of `memory`
    waiting: Packed  # (2, 2, f, k): older and newer; counts and expectations that are not yet in memory
    waiting_rows: Packed  # (f,): of the newer
    evidence: Packed  # (m, f, k): counts since `started`
    started: Packed  # (m, f): the last block in which wealth was at most 1
    started_s: Packed  # (m, f): when that block began
    recent: Packed  # (f, k)
    since: Packed  # (f, k): counts over the design effect since the alarm was raised or cleared
    since_expected: Packed  # (f, k): what the reference expected in their place
    since_slack: Packed  # (f,): what those rows' references may be off, times rows
    alarm: Packed  # (f,)
    peak: Packed  # (f,): log wealth at the last crossing
    change_start_s: Packed  # (f,): 0 while there is no alarm
    raised_s: Packed  # (f,): 0 while there is no alarm
    crossed: Packed  # (f,): the block of the last crossing
    rise: Packed  # (f,): blocks that the first crossing took
