"""The newer form: says what the classic one says, and is read by Grafana's own models without a loss."""

import json
import re
import warnings
from pathlib import Path

import pytest

from mlobs.dashboards.layout import panels
from mlobs.dashboards.resource import resource
from tests.dashboards.boards import DASHBOARDS, built
from tests.yamls import loaded

pytest.importorskip(
    "grafana_foundation_sdk", reason="enable with: pip install grafana-foundation-sdk==0.0.21"
)
from grafana_foundation_sdk.models import dashboardv2 as models

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # They would rather have the newer form.
    from grafana_foundation_sdk.models import dashboard as classic_models

RESOURCES = {name: resource(dashboard) for name, dashboard in DASHBOARDS.items()}


def encoded(model):
    """Return a model as JSON. This version of the models writes two texts as a set of one; take it out."""
    return json.loads(
        json.dumps(model, default=lambda one: next(iter(one)) if isinstance(one, set) else one.to_json())
    )


def lost(ours, theirs, place=""):
    """Yield what is in ours and not in theirs; models add their defaults, which is no loss."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key not in theirs:
                yield f"{place}.{key}"
            else:
                yield from lost(value, theirs[key], f"{place}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from lost(one, other, f"{place}[{number}]")
    elif ours != theirs:
        yield f"{place}: {ours!r} became {theirs!r}"


@pytest.mark.parametrize("name", RESOURCES)
def test_grafanas_models_read_the_resource_and_lose_nothing(name):
    """A field they do not know is one that Grafana would drop."""
    spec = RESOURCES[name]["spec"]
    assert list(lost(spec, encoded(models.Dashboard.from_json(spec)))) == []


@pytest.mark.parametrize("name", DASHBOARDS)
def test_grafanas_models_read_the_classic_form_and_lose_nothing(name):
    """The filter's own list of filters is Grafana's, and only not in this version of the models."""
    dashboard = DASHBOARDS[name]
    gone = list(lost(dashboard, encoded(classic_models.Dashboard.from_json(dashboard))))
    filters = [n for n, one in enumerate(dashboard["templating"]["list"]) if one["type"] == "adhoc"]
    assert gone == [f".templating.list[{number}].filters" for number in filters]


@pytest.mark.parametrize("name", RESOURCES)
def test_both_forms_have_the_same_panels_queries_and_places(name):
    """Whoever moves from one to the other finds everything where it was."""
    spec, dashboard = RESOURCES[name]["spec"], DASHBOARDS[name]
    told = {
        element["spec"]["title"]: [
            query["spec"]["query"]["spec"].get("expr") for query in element["spec"]["data"]["spec"]["queries"]
        ]
        for element in spec["elements"].values()
    }
    assert told == {
        panel["title"]: [target.get("expr") for target in panel.get("targets", ())]
        for panel in panels(dashboard)
    }
    rows = [row["spec"] for row in spec["layout"]["spec"]["rows"]]
    items = [item["spec"] for row in rows for item in row["layout"]["spec"]["items"]]
    assert [item["element"]["name"] for item in items] == list(spec["elements"])
    places = [panel["gridPos"] for panel in panels(dashboard)]
    assert [(item["x"], item["width"], item["height"]) for item in items] == [
        (place["x"], place["w"], place["h"]) for place in places
    ]
    titles = [row["title"] for row in rows if row["title"]]
    assert titles == [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    variables = [variable["spec"]["name"] for variable in spec["variables"]]
    assert variables == [variable["name"] for variable in dashboard["templating"]["list"]]


def test_the_resource_is_kubernetes_and_its_name_is_the_uid():
    """By that name a second push finds the first."""
    for name, made in RESOURCES.items():
        assert (made["apiVersion"], made["kind"]) == ("dashboard.grafana.app/v2", "Dashboard")
        assert made["metadata"] == {"name": f"mlobs-{name.removesuffix('.json')}"}


@pytest.mark.slow
def test_the_newer_form_is_no_json_file():
    """Grafana's provisioning of classic files reads every .json below its folder, and refuses this form."""
    newer = {Path(name): text for name, text in built().items() if name.startswith("v2/")}
    assert {name.suffix for name in newer} == {".yaml"}
    # What is shared is written out each time: not every reader follows YAML's own references.
    assert not any(re.search(r": [&*]id\d", text) for text in newer.values())
    assert {name.stem: loaded(text) for name, text in newer.items()} == {
        name.removesuffix(".json"): made for name, made in RESOURCES.items()
    }


def test_a_closed_row_stays_closed():
    """What is not there must not ask when the page opens."""
    rows = RESOURCES["serving.json"]["spec"]["layout"]["spec"]["rows"]
    closed = [row["spec"]["title"] for row in rows if row["spec"]["collapse"]]
    assert closed == ["vLLM", "SGLang", "Triton", "GPUs"]


def test_a_variable_of_a_kind_without_a_newer_form_is_refused():
    """Left out without a word, the panels that use it would be empty."""
    dashboard = json.loads(json.dumps(DASHBOARDS["overview.json"]))
    dashboard["templating"]["list"][1]["type"] = "interval"
    with pytest.raises(ValueError, match="A variable of the type 'interval' has no newer form here"):
        resource(dashboard)
