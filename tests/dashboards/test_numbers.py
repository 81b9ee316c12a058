"""The numbers are right: series that a person can add up, and what a panel's query makes of them.

The scenes are data, in `scenes`; each has series as promtool spells them, and what queries of panels answer
at some moment, with some choice made. promtool has Prometheus's own engine.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlobs.dashboards.layout import panels
from tests.dashboards.boards import DASHBOARDS, OF_METRICS
from tests.parts import require
from tests.yamls import loaded

TOP = Path(__file__).parents[2]
SCENES: dict[str, Any] = {
    f"{file.stem}: {scene['name']}": scene
    for file in sorted((Path(__file__).parent / "scenes").glob("*.yml"))
    for scene in loaded(file.read_text())
}
WINDOWS = {"__rate_interval": "5m", "__range": "1h", "__interval": "1m"}
VARIABLES = [one["name"] for one in DASHBOARDS["overview.json"]["templating"]["list"]]
RECORDING = "mlobs.alerts.recording"


def query(asked: dict[str, Any]) -> str:
    """Return the PromQL of a panel as Grafana sends it, with what is chosen put in."""
    [panel] = [one for one in panels(DASHBOARDS[f"{asked['board']}.json"]) if one["title"] == asked["panel"]]
    wanted = asked.get("query", "A")
    [expr] = [one["expr"] for one in panel["targets"] if wanted in {one["refId"], one["legendFormat"]}]
    for name, value in WINDOWS.items():
        expr = expr.replace(f"${name}", value)
    for name in VARIABLES:
        expr = re.sub(rf"\${name}\b", asked.get("choose", {}).get(name, ".*"), expr)
    return expr


def samples(answers: dict[str, float]) -> list[dict[str, Any]]:
    """Return what promtool expects; labels are written without their braces."""
    return [{"labels": f"{{{labels}}}", "value": value} for labels, value in answers.items()]


def promtool(folder: Path, scene: dict[str, Any]) -> str:
    """Return what promtool says against a scene, or "" if nothing."""
    given = scene.get("rules", False)
    if given:
        rules = loaded((TOP / "alerts/mlobs.rules.yml").read_text())
        rules["groups"] = [group for group in rules["groups"] if group["name"] == RECORDING]
        (folder / "rules.yml").write_text(json.dumps(rules))
    tests = {
        "interval": scene.get("interval", "1m"),
        "input_series": [{"series": name, "values": values} for name, values in scene["series"].items()],
        "promql_expr_test": [
            {
                # To the thousandth: a growth is extrapolated, and shares of it are not written out.
                "expr": f"round({query(asked)}, 0.001)",
                "eval_time": asked.get("at", scene["at"]),
                "exp_samples": samples(asked["answers"]),
            }
            for asked in scene["panels"]
        ],
    }
    whole = {"rule_files": ["rules.yml"] if given else [], "evaluation_interval": "1m", "tests": [tests]}
    (folder / "test.yml").write_text(json.dumps(whole))
    command = [require("promtool"), "test", "rules", str(folder / "test.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(name, marks=pytest.mark.slow if scene.get("slow", False) else ())
        for name, scene in SCENES.items()
    ],
)
def test_the_panels_answer_what_a_person_would_work_out(scene, tmp_path):
    """A query that is not empty is not yet right."""
    assert promtool(tmp_path, SCENES[scene]) == ""


def test_every_dashboard_of_metrics_has_numbers_here():
    """Each has queries of its own to get wrong."""
    boards = {asked["board"] for scene in SCENES.values() for asked in scene["panels"]}
    assert boards == {name.removesuffix(".json") for name in OF_METRICS}
