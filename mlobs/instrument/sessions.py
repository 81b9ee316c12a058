"""Whom calls are made for, and under which conditions: sessions and experiments. Edge: the context.

Both hold for every call inside, and travel to other programs as far as MLOBS_BAGGAGE allows.
"""

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context

from mlobs import _guard
from mlobs.instrument.baggage import opened, session_in
from mlobs.instrument.context import (
    CALL_KEY,
    Session,
    close_scope,
    current,
    current_call,
    open_scope,
    switch,
)
from mlobs.instrument.describe import without_secrets
from mlobs.instrument.values import as_text, frozen


class _Scope:
    """Something that holds for every call inside."""

    _session: Session

    def __enter__(self) -> None:
        outer = current()
        open_scope(self, outer)
        try:
            switch(opened(self._session, outer))
            call = current_call()
            if call is not None:
                call.session = self._session.within(call.session)  # the call that opens it belongs to it
        except Exception:  # noqa: BLE001 # never into the user's program
            _guard.failed("opening a session")

    def __exit__(self, *error: object) -> None:
        close_scope(self)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        self.__exit__()


class session(_Scope):  # noqa: N801 # read as a verb: with mlobs.session(...)
    """All calls inside belong to one session: `with mlobs.session("42", user="ana"):`.

    Args:
        id: The conversation's or session's id, as your application knows it.
        user: For whom the calls are made.
        tags: Set on every call inside, as `mlobs.tag.NAME`.
    """

    def __init__(
        self,
        id: str | None = None,  # noqa: A002 # the word users know it by
        *,
        user: str | None = None,
        tags: Mapping[str, str | bool | int | float] | None = None,
    ) -> None:
        self._session = Session(
            None if id is None else as_text(id),
            None if user is None else as_text(user),
            without_secrets(frozen(tags, "opening a session")),
        )


class experiment(_Scope):  # noqa: N801 # read as a verb: with mlobs.experiment(...)
    """All calls inside run under one arm of an experiment: `with mlobs.experiment("tone", "warm"):`.

    Args:
        name: The experiment; its arm becomes `mlobs.experiment.NAME`.
        arm: The variant.
        prompt: The prompt template that this arm uses, as `support@12`.
    """

    def __init__(self, name: str, arm: str, *, prompt: str | None = None) -> None:
        base, _, version = ("" if prompt is None else as_text(prompt)).partition("@")
        self._session = Session(
            experiments={as_text(name): as_text(arm)}, prompt=(base, version or None) if base else None
        )


def placed(made: Context, outer: Context) -> Context:
    """Return what is around a stream: its reader's context, in the session that the stream was made in.

    A web server reads what an endpoint returned after the endpoint left its session. A reader who is in a
    session that says otherwise keeps it. The parent is the reader's: the call that made it may have ended.

    Args:
        made: What was current when the stream was called.
        outer: What is current when it is first read.
    """
    try:
        theirs, here = _session_of(made), _session_of(outer)
        if theirs is None or theirs is here or (here is not None and here.within(theirs) != theirs):
            return outer
        return opened(theirs, outer)
    except Exception:  # noqa: BLE001 # never into the user's program
        _guard.failed("finding a stream's session")
        return outer


def _session_of(context: Context) -> Session | None:
    """Return the session of a call that begins in `context`."""
    call: Any = context.get(CALL_KEY)
    return session_in(context) or (None if call is None else call.session)
