"""Makes a Grafana what it should be, and leaves alone what is already there.

First everything is read and compared, then everything is written: a refusal in the middle of
the reading changes nothing. A refusal in the middle of the writing says what was done; what
was done is found the same by the next push, which does the rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mlobs.dashboards.grafana.boards import plan_board_removals, plan_boards, plan_folder
from mlobs.dashboards.grafana.changes import Change, Step
from mlobs.dashboards.grafana.client import Grafana
from mlobs.dashboards.grafana.contact import Contact, plan_contact
from mlobs.dashboards.grafana.rules import Group, data_source, plan_groups, plan_rule_removals
from mlobs.dashboards.grafana.sources import Source, exists, plan_sources
from mlobs.dashboards.panels import Json
from mlobs.errors import ServerError

FOLDER = "mlobs"
NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should be in Grafana.

    Args:
        dashboards: As built, by file name.
        folder: The uid of the folder for dashboards and rules; made where it is missing.
        sources: Data sources; those not named here are left alone.
        groups: Alert rules; () leaves alert rules alone.
        contact: Where Grafana sends alerts, if anywhere.
        prune: Remove what we brought once and what is no longer here.
    """

    dashboards: Mapping[str, Json]
    folder: str = FOLDER
    sources: Sequence[Source] = ()
    groups: Sequence[Group] = ()
    contact: Contact | None = None
    prune: bool = field(default=False, kw_only=True)


def plan(grafana: Grafana, wanted: Wanted) -> list[Step]:
    """Return what would be written, in the order of writing; write nothing.

    Raises:
        ServerError: Grafana cannot be reached, refuses, or has something of somebody else's
            where ours should be.
    """
    release = grafana.release()
    steps = [
        plan_folder(grafana, wanted.folder),
        *plan_sources(grafana, wanted.sources),
        *plan_boards(grafana, wanted.dashboards, wanted.folder),
    ]
    _check_sources(grafana, wanted)
    if wanted.contact is not None:
        steps.append(plan_contact(grafana, wanted.contact, release))
    steps += plan_groups(grafana, wanted.groups, wanted.folder)
    if wanted.prune:
        kept = {str(dashboard["uid"]) for dashboard in wanted.dashboards.values()}
        steps += plan_board_removals(grafana, kept)
        if wanted.groups:
            steps += plan_rule_removals(grafana, wanted.groups)
    return steps


def push(grafana: Grafana, wanted: Wanted, *, dry_run: bool = False) -> list[Change]:
    """Make Grafana what it should be; return what changed.

    Args:
        grafana: Whom to talk to.
        wanted: What should be there.
        dry_run: Say what would change and change nothing.

    Raises:
        ServerError: As of `plan`; or a write was refused, and the sentence says what was done.
    """
    steps = plan(grafana, wanted)
    if not dry_run:
        writes = [step for step in steps if step.write is not None]
        for number, step in enumerate(writes):
            try:
                assert step.write is not None
                step.write()
            except ServerError as error:
                raise ServerError(f"{error} {_so_far(writes, number)}") from None
    return changes(steps)


def changes(steps: Sequence[Step]) -> list[Change]:
    """Return the changes of a plan, one after the other."""
    return [one for step in steps for one in step.changes]


def _check_sources(grafana: Grafana, wanted: Wanted) -> None:
    for uid in sorted(data_source(wanted.groups) - {source.uid for source in wanted.sources}):
        if not exists(grafana, uid):
            raise ServerError(
                f"The alert rules ask the data source {uid!r}, which the Grafana at {grafana.url} does not "
                f"have. Give --prometheus with its address, or name yours with --prometheus-uid."
            )


def _so_far(writes: Sequence[Step], failed: int) -> str:
    done, left = (_names(part) for part in (writes[:failed], writes[failed:]))
    return (
        f"Done before that: {done or 'nothing'}. Not done: {left}. "
        f"Push again once it is mended; what is done stays done."
    )


def _names(steps: Sequence[Step]) -> str:
    named = [*_named(steps)]
    more = f" and {len(named) - NAMED_MAX} more" if len(named) > NAMED_MAX else ""
    return ", ".join(named[:NAMED_MAX]) + more


def _named(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        moved = [one for one in step.changes if one.action != "keep"]
        yield f"{moved[0].kind} {moved[0].uid}"
