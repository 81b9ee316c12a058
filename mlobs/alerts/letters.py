"""What goes through the outbox: messages on their way in, deliveries on their way out."""

import hashlib
from dataclasses import dataclass
from typing import Literal, get_args

State = Literal["waiting", "delivered", "dead", "demoted", "muted"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One change of an alert's state, as one sink will be told of it.

    Args:
        fingerprint: Of the alert, or of the group of alerts.
        rule: Its rule.
        status: firing or resolved.
        changed_s: When it changed.
        body: What is sent: JSON, "mlobs/1".
        sink: Who is told.
        not_before_s: When it may be sent; at once if None.
        state: waiting; demoted or muted for a receipt of what this sink was spared; dead if the sink
            is not there.
        why: For the receipt.
        part: Of a message that is too long for one, which this is.
    """

    fingerprint: str
    rule: str
    status: str
    changed_s: float
    body: bytes
    sink: str = "webhook"
    not_before_s: float | None = None
    state: Literal["waiting", "demoted", "muted", "dead"] = "waiting"
    why: str = ""
    part: int = 1

    @property
    def id(self) -> str:
        """Return the delivery id: the same whenever this sink is told of this change, and for no other.

        A receipt has another than the message: two routes may lead to one sink, and what one of
        them mutes the other may send.
        """
        text = f"{self.sink}:{self.fingerprint}:{self.status}:{self.changed_s!r}"
        text += f":{self.state}" if self.state in {"demoted", "muted"} else ""
        text += f":{self.part}" if self.part > 1 else ""
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A message on its way, or what became of it, without what is sent."""

    id: str
    sink: str
    fingerprint: str
    rule: str
    status: str
    state: State
    made_s: float
    attempts: int
    next_s: float
    ended_s: float | None
    answer: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter(Delivery):
    """A message on its way, with what is sent."""

    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Put:
    """How many messages found room, and how many did not."""

    taken: int
    dropped: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Buried:
    """How many messages became dead letters, and how many older ones were deleted to make room."""

    letters: int
    lost: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Redriven:
    """Which dead letters were put back, and how many were left because newer news had arrived."""

    ids: tuple[str, ...]
    overtaken: int
