"""Notes on the call we are in: things worth seeing that are no error. Edge: the OpenTelemetry context."""

from mlobs import _guard
from mlobs.instrument.astray import tell_astray
from mlobs.instrument.calls import Failure
from mlobs.instrument.context import current_call
from mlobs.instrument.values import freeze
from mlobs.semconv import attributes as a
from mlobs.semconv.events import EXCEPTION, NOTE

TEXT_CHARACTERS_MAX = 4096


def note(text: str, error: BaseException | None = None, **attributes: object) -> None:
    """Add a note to the current call; its state stays what it is.

    Args:
        text: What happened.
        error: An exception that was handled: told with `mlobs.handled`, and no failure.
        attributes: What else is worth knowing.
    """
    call = current_call()
    if call is None:
        tell_astray("note")
        return
    try:
        about = {key: freeze(value) for key, value in attributes.items()}
        about[a.NOTE_TEXT.name] = str(text)[:TEXT_CHARACTERS_MAX]
        if error is None:
            call.add_event(NOTE.name, about)
            return
        failure = Failure(error)
        about |= {a.EXCEPTION_TYPE.name: failure.type, a.EXCEPTION_MESSAGE.name: failure.message}
        call.add_event(EXCEPTION.name, {**about, a.HANDLED.name: True})
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("taking a note")
