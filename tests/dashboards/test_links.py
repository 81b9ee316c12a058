"""Links between dashboards: where they lead, and that a value arrives as it was."""

import re

import pytest

from mlobs.dashboards.build import classic
from mlobs.dashboards.layout import panels

BOARDS = classic()
OF_TRACES = {"traces.json", "traces-clickhouse.json"}


def addresses(part):
    """Yield every address in a dashboard."""
    if isinstance(part, dict):
        yield from (part["url"],) if isinstance(part.get("url"), str) else ()
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from addresses(inner)


@pytest.mark.parametrize("name", BOARDS)
def test_a_value_is_encoded(name):
    """Grafana leaves & and + and # as they are unless it is told, and `a&b` would choose another model."""
    for address in addresses(list(panels(BOARDS[name]))):
        found = re.findall(r"var-\w+=\$\{(__field\.labels|__data\.fields)\.\w+(:\w+)?\}", address)
        assert all(form == ":percentencode" for _, form in found), address
        assert "${__field.labels" not in re.sub(r"\$\{[^}]*:percentencode\}", "", address)


@pytest.mark.parametrize("name", [name for name in BOARDS if name not in OF_TRACES])
def test_traces_are_those_that_every_server_has(name):
    """Tempo is one more thing to run, and not everybody does."""
    found = [address for address in addresses(list(panels(BOARDS[name]))) if "/d/mlobs-traces" in address]
    assert all(address.startswith("/d/mlobs-traces-clickhouse?") for address in found)


def test_the_board_of_one_store_leads_to_that_of_the_other():
    """Whoever has Tempo comes there in two clicks, with what is chosen."""
    for here, there in (("traces", "traces-clickhouse"), ("traces-clickhouse", "traces")):
        (link,) = [one for one in BOARDS[f"{here}.json"]["links"] if one["type"] == "link"]
        assert link["url"] == f"/d/mlobs-{there}"
        assert link["keepTime"]
        assert link["includeVars"]


def test_most_metrics_lead_to_traces():
    """They say that something is wrong; which run it was is there."""
    with_some = [
        name
        for name in BOARDS
        if any("/d/mlobs-traces-clickhouse?" in address for address in addresses(list(panels(BOARDS[name]))))
    ]
    assert {"models.json", "agents.json", "quality.json", "drift.json"} <= set(with_some)
