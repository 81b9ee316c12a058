"""The recording rules against numpy: in promtool, and on a real Prometheus that scrapes two processes."""

import contextlib
import http.server
import json
import math
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlobs import assets
from mlobs.alerts import recording as r
from mlobs.drift import distances
from mlobs.drift.bins import Bins
from mlobs.drift.monitor import Monitor
from mlobs.drift.profile import Profile
from mlobs.semconv import metrics as m
from tests.drift import laws
from tests.parts import require
from tests.processes import free_port, process, wait_for
from tests.server.otlp import wait_until
from tests.yamls import loaded

pytestmark = pytest.mark.slow

RULES = assets.root() / "alerts" / "mlobs.rules.yml"
AXIS = ("__below__", *(f"{number:02d}" for number in range(10)), "__above__")
NUMERIC = (*AXIS, "__null__", "__other__")
LEVELS = ("red", "blue", "__rest__", "__null__", "__other__")
GAPS = (0.9, 0.4, 0.3, 0.25, 0.2, 0.2, 0.2, 0.25, 0.3, 0.4, 0.9)
MODEL = {"service_name": "shop", "mlobs_model_name": "churn", "mlobs_model_version": "7"}

# What the training data had: whole rows of 10,000, and an empty bin.
REFERENCE = {
    "reset": dict(
        zip(NUMERIC, (40, *(970, 980, 960, 990, 970, 980, 960, 970, 980, 990), 50, 160, 0), strict=True)
    ),
    "missing": dict(zip(NUMERIC, (50, *(985,) * 10, 50, 50, 0), strict=True)),
    "colour": dict(zip(LEVELS, (6000, 3000, 900, 100, 0), strict=True)),
}
# What one of two processes counts in a minute, the other one twice of it. Of "missing" nobody exports bin
# 05; "colour" has a bin that the reference does not.
LIVE = {
    "reset": dict(zip(NUMERIC, (1, 9, 9, 10, 10, 11, 11, 12, 12, 13, 14, 3, 2, 1), strict=True)),
    "missing": {name: 7 + place for place, name in enumerate(NUMERIC) if name != "05"},
    "colour": {"red": 20, "blue": 50, "__rest__": 4, "__null__": 3, "__other__": 9, "green": 6},
}
EFFECTS = {"reset": 1.0, "missing": 2.5}  # nobody tells that of "colour"
FLOORS = {"reset": 0.05, "missing": 0.9}  # nor that


def expected(feature: str, live: Mapping[str, float]) -> dict[str, float]:
    """Return what `mlobs.drift.distances` says about the counts of a feature."""
    bins = list(dict.fromkeys((*REFERENCE[feature], *LIVE[feature])))
    p = np.array([REFERENCE[feature].get(name, 0) for name in bins], dtype=float)
    q = np.array([live.get(name, 0.0) for name in bins])
    tv = distances.total_variation(p, q)
    effect = EFFECTS.get(feature, 1.0)
    by_chance = distances.deviation_bound(
        len(bins), q.sum() / effect, 1 / (r.EVALUATIONS_A_YEAR * len(REFERENCE))
    ) + distances.deviation_bound(len(bins), p.sum() / effect, r.REFERENCE_ERROR / len(REFERENCE))
    psi = distances.population_stability_index(p, q)
    found = {
        r.PSI: psi,
        r.PSI_DEBIASED: psi - (len(bins) - 1) * effect * (1 / q.sum() + 1 / p.sum()),
        r.JS: distances.jensen_shannon(p, q),
        r.TV: tv,
        r.TV_LOWER_BOUND: max(tv - by_chance, 0.0),
    }
    if found[r.TV_LOWER_BOUND] > FLOORS.get(feature, 0.0):
        found[r.TV_ABOVE_FLOOR] = found[r.TV_LOWER_BOUND]
    if "__below__" in bins:
        places = np.cumsum([0.0, *GAPS])
        p, q = p[: len(AXIS)], q[: len(AXIS)]
        found |= {
            r.KS: distances.kolmogorov_smirnov(p, q),
            r.W1: distances.wasserstein(p, q, places, 1.0),
        }
    return {name: float(value) for name, value in found.items()}


def gauges(feature: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield what every process says about the reference."""
    rows, axis = sum(REFERENCE[feature].values()), "__below__" in REFERENCE[feature]
    labels = {**MODEL, "mlobs_feature": feature, "mlobs_profile_ref": "p1"}
    yield m.DRIFT_REFERENCE_ROWS.prometheus, labels, rows
    for name, count in REFERENCE[feature].items():
        yield m.DRIFT_REFERENCE_RATIO.prometheus, {**labels, "mlobs_bin": name}, count / rows
    for name, gap in zip(AXIS, GAPS, strict=False) if axis else ():
        yield m.DRIFT_CUT_GAP.prometheus, {**labels, "mlobs_bin": name}, gap
    if feature in EFFECTS:
        yield m.DRIFT_DESIGN_EFFECT.prometheus, labels, EFFECTS[feature]
        yield m.DRIFT_FLOOR.prometheus, labels, FLOORS[feature]


def counter(feature: str, name: str, ref: str = "p1") -> dict[str, str]:
    return {**MODEL, "mlobs_feature": feature, "mlobs_profile_ref": ref, "mlobs_bin": name}


def written(name: str, labels: Mapping[str, str]) -> str:
    return f"{name}{{{', '.join(f'{key}={json.dumps(text)}' for key, text in labels.items())}}}"


def test_promtool_and_numpy_say_the_same(tmp_path):
    """Two processes, one of which starts anew within the window; a bin nobody has, and one nobody knew."""
    series = []
    for feature, live in LIVE.items():
        for pod in ("one", "two"):
            for name, labels, value in gauges(feature):
                series.append(
                    {"series": written(name, {**labels, "instance": pod}), "values": f"{value!r}x120"}
                )
            for name, count in live.items():
                more = count * (2 if pod == "two" else 1)
                values = f"0+{more}x120"
                if (feature, pod) == ("reset", "two"):  # what it counted in that minute nobody will know
                    values = f"0+{more}x89 0+{more}x30"
                labels = {**counter(feature, name), "instance": pod}
                series.append({"series": written(m.DRIFT_OBSERVATIONS.prometheus, labels), "values": values})
    checks = []
    for feature, live in LIVE.items():
        minutes = 60 + (118 if feature == "reset" else 120)  # of one process and twice the other
        for name, value in expected(feature, {one: minutes * count for one, count in live.items()}).items():
            labels = {**MODEL, "mlobs_feature": feature, "mlobs_profile_ref": "p1"}
            # promtool itself compares to the last bit
            agree = f"abs({written(name, labels)} - {value!r}) < bool 1e-12"
            sample = {"labels": written("", labels), "value": 1}
            checks.append({"expr": agree, "eval_time": "120m", "exp_samples": [sample]})
    assert len(checks) == 7 + 7 + 6
    for feature in FLOORS:  # their bounds prove no more than their floors let pass
        labels = {"mlobs_feature": feature}
        checks.append({"expr": written(r.TV_ABOVE_FLOOR, labels), "eval_time": "120m", "exp_samples": []})
    promtool(tmp_path, series, checks)


def promtool(folder: Path, series: list[dict[str, str]], checks: list[dict[str, Any]]) -> None:
    """Have promtool ask the packaged rules about the series."""
    test = {"interval": "1m", "input_series": series, "promql_expr_test": checks}
    file = folder / "recording.test.yml"
    whole = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}
    file.write_text(json.dumps(whole), encoding="utf-8")
    command = [require("promtool"), "test", "rules", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_crest_of_a_wave_that_the_profile_knows_proves_no_drift(tmp_path):
    """Its monitor divides by nothing and tells a wider floor; without that it is a proof, daily."""
    day_rows, amplitude = 200_000, 0.15
    draw, rng = laws.wave(amplitude, day_rows), np.random.default_rng(5)
    profile = Profile.of({"age": laws.rows_of(rng, draw(rng, 1, 2 * day_rows // laws.STEP)[:, 0])}, model="m")
    with contextlib.closing(Monitor(profile)) as monitor:
        [known] = monitor.counted()
    assert known.design_effect == 1
    assert amplitude < known.floor < 0.25
    first = day_rows // 4 // laws.STEP  # an hour from the crest on
    hour = laws.rows_of(rng, draw(rng, 1, day_rows // 24 // laws.STEP, first)[:, 0])
    bins = Bins(profile.features["age"])
    counts = bins.coarse(bins.counts(bins.of_values(hour.tolist())))
    series = []
    for feature, floor in (("wavy", known.floor), ("steady", 0.05)):
        labels = {**MODEL, "mlobs_feature": feature, "mlobs_profile_ref": "p1"}
        gauges_of = {
            m.DRIFT_REFERENCE_ROWS: sum(known.reference), m.DRIFT_DESIGN_EFFECT: 1.0, m.DRIFT_FLOOR: floor,
        }  # fmt: skip
        for metric, value in gauges_of.items():
            series.append({"series": written(metric.prometheus, labels), "values": f"{value!r}x120"})
        for name, count, trained in zip(known.bins, counts.tolist(), known.reference, strict=True):
            mine = {**labels, "mlobs_bin": name}
            share = f"{trained / sum(known.reference)!r}x120"
            series.append({"series": written(m.DRIFT_REFERENCE_RATIO.prometheus, mine), "values": share})
            live = {
                "series": written(m.DRIFT_OBSERVATIONS.prometheus, mine),
                "values": f"0+{count / 60!r}x120",
            }
            series.append(live)
    proven = f"count by (mlobs_feature) ({r.TV_ABOVE_FLOOR} > 0.05)"
    wide = f"count ({r.TV_LOWER_BOUND} > 0.05)"
    promtool(tmp_path, series, [
        {"expr": wide, "eval_time": "120m", "exp_samples": [{"labels": "{}", "value": 2}]},
        {"expr": proven, "eval_time": "120m", "exp_samples": [
            {"labels": '{mlobs_feature="steady"}', "value": 1}
        ]},
    ])  # fmt: skip


class Pod:
    """A process as Prometheus sees it: what it has counted since it began, over HTTP."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str, str], int] = {}
        pod = self

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = pod.page().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_port}"

    def begin(self) -> None:
        """Start anew: every bin is there, at nought."""
        self.counts = {(feature, name, "p1"): 0 for feature, live in LIVE.items() for name in live}

    def see(self, minutes: int) -> None:
        """Count; at once, so that no scrape finds half of it."""
        more = {
            (feature, name, "p1"): count for feature, live in LIVE.items() for name, count in live.items()
        }
        self.counts = {key: value + more.get(key, 0) * minutes for key, value in self.counts.items()}

    def page(self) -> str:
        known = [found for feature in REFERENCE for found in gauges(feature)]
        lines = [f"{written(name, labels)} {value!r}" for name, labels, value in known]
        name = m.DRIFT_OBSERVATIONS.prometheus
        lines += [f"{written(name, counter(*key))} {count}" for key, count in self.counts.items()]
        return "\n".join(lines) + "\n"


class Prometheus:
    """A running one."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, query: str, at: str = "") -> list[dict[str, Any]]:
        given = {"query": query} | ({"time": at} if at else {})
        with urllib.request.urlopen(
            f"{self.url}/api/v1/query?{urllib.parse.urlencode(given)}", timeout=60
        ) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def number(self, query: str) -> float:
        found = self.ask(query)
        return float(found[0]["value"][1]) if found else math.nan


@pytest.fixture
def pods() -> Iterator[list[Pod]]:
    made = [Pod(), Pod()]
    yield made
    for pod in made:
        pod.server.shutdown()
        pod.server.server_close()


@pytest.fixture
def prometheus(tmp_path: Path, pods: list[Pod]) -> Iterator[Prometheus]:
    """A Prometheus that has the packaged rules, in a hurry."""
    program, port = require("prometheus"), free_port()
    rules = loaded(RULES.read_text(encoding="utf-8"))
    for group in rules["groups"]:
        group["interval"] = "1s"
    (tmp_path / "rules.yml").write_text(json.dumps(rules), encoding="utf-8")
    targets = [pod.address for pod in pods]
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "rule_files": [str(tmp_path / "rules.yml")],
        "scrape_configs": [{"job_name": "pods", "static_configs": [{"targets": targets}]}],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
    command = (
        program,
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    for pod in pods:
        pod.begin()
    log = tmp_path / "prometheus.log"
    with process(*command, log=log):
        wait_for(f"http://127.0.0.1:{port}/-/ready", log)
        yield Prometheus(f"http://127.0.0.1:{port}")


def test_a_real_prometheus_and_numpy_say_the_same(prometheus, pods):
    """Of the same counts to the last digits; and the counts are those of both processes, over a restart."""

    def scraped(pod: Pod) -> Callable[[], bool]:
        want = pod.counts["reset", "05", "p1"]
        series = written(m.DRIFT_OBSERVATIONS.prometheus, {**counter("reset", "05"), "instance": pod.address})
        return lambda: prometheus.number(series) == want

    for pod in pods:
        assert wait_until(scraped(pod))
    for minutes in (30, 40, 50):
        pods[0].see(minutes)
        pods[1].see(2 * minutes)
        assert all(wait_until(scraped(pod)) for pod in pods)
    pods[1].begin()
    assert wait_until(scraped(pods[1]))
    # Of a newer profile nothing else is known yet.
    pods[1].counts = {**pods[1].counts, ("reset", "05", "p2"): 12345}
    pods[1].see(100)
    assert wait_until(scraped(pods[1]))
    total = 120 + 240 + 100
    name = written(r.OBSERVATIONS, counter("reset", "05"))
    assert wait_until(lambda: prometheus.number(name) >= total * LIVE["reset"]["05"] * 0.98)
    at = prometheus.ask(f"timestamp({r.W1})")[0]["value"][1]
    for feature, live in LIVE.items():
        counted = f'{r.OBSERVATIONS}{{mlobs_feature="{feature}", mlobs_profile_ref="p1"}}'
        samples = prometheus.ask(counted, at)
        found = {one["metric"]["mlobs_bin"]: float(one["value"][1]) for one in samples}
        assert set(found) == {*REFERENCE[feature], *live}
        for one, count in found.items():  # increase() extrapolates to the edges of its window
            assert count == pytest.approx(total * live.get(one, 0), rel=0.25)
        for series, value in expected(feature, found).items():
            [sample] = prometheus.ask(f'{series}{{mlobs_feature="{feature}"}}', at)
            assert float(sample["value"][1]) == pytest.approx(value, rel=1e-10, abs=1e-13), (feature, series)
            assert sample["metric"] == {
                "__name__": series, **MODEL, "mlobs_feature": feature, "mlobs_profile_ref": "p1",
            }  # fmt: skip
    assert prometheus.ask('{__name__=~"mlobs:.+", instance!=""}', at) == []
    proven = 'ALERTS{alertname="MlobsDriftProven", mlobs_feature="colour"}'
    assert wait_until(lambda: prometheus.number(proven) == 1)  # of a group of rules that is evaluated apart
