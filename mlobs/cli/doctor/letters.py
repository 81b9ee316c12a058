"""Whether anybody was not told of alerts: dead letters of the server's sinks."""

from typing import Any

from mlobs.cli.asking import ask
from mlobs.errors import MlobsError

NO_ALERTS = "no alerts"


def dead_letters(server: str) -> list[str]:
    """Return a sentence for each sink of a server that has messages nobody could be told.

    Args:
        server: Its address.
    """
    try:
        answer = ask(server, "/api/alerts", missing=NO_ALERTS)
    except MlobsError as error:
        said = f"Whether messages about alerts could be told cannot be asked: {error}"
        return [] if str(error) == NO_ALERTS else [said]
    return [_said(one, server) for one in answer["sinks"] if one["dead"]]


def _said(sink: dict[str, Any], server: str) -> str:
    name, at = sink["sink"], f"--sink {sink['sink']} --server {server}"
    letters = "1 dead letter" if sink["dead"] == 1 else f"{sink['dead']} dead letters"
    return (
        f"The sink {name} has {letters}: messages about alerts that nobody was told. Why: mlobs alerts "
        f"deliveries --state dead {at}. Once the sink works, put them back: mlobs alerts redrive {at}"
    )
