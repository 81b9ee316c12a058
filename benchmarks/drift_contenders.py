"""One way of comparing two Parquet files, in a process of its own: `python drift_contenders.py NAME A B`.

Prints one JSON object: CPU seconds of reading and of comparing, peak memory, and what was called
drifted. Imports only what its own way needs, so that it runs in the peers' environments too.
"""

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

Found = list[str]
PROFILE = Path(tempfile.gettempdir()) / "drift-benchmark.json"


@dataclass
class Watch:
    """CPU seconds of this process by part of the work."""

    seconds: dict[str, float] = field(default_factory=dict)
    before: float = field(default_factory=time.process_time)

    def done(self, part: str) -> None:
        """Note what was used since the last time."""
        now = time.process_time()
        self.seconds[part] = now - self.before
        self.before = now


def mlobs_profile(reference: str, live: str, watch: Watch) -> Found:
    """Profile the reference; what a user does once per model."""
    from mlobs.drift.profile import Profile
    from mlobs.drift.readers import Files

    watch.done("import")
    Profile.of(Files([reference])).write(PROFILE)
    watch.done("compare")
    return []


def mlobs_check(reference: str, live: str, watch: Watch, *, page: bool = False) -> Found:
    """Check the live file against the profile that was written before; reading included."""
    from mlobs.drift.check import check
    from mlobs.drift.profile import Profile
    from mlobs.drift.readers import Files

    if page:
        from mlobs.drift.report.page import page as draw
    watch.done("import")
    profile = Profile.read(PROFILE)
    report = check(profile, Files([live]), intervals=page, bars=page)
    if page:
        draw(report, data=live)
    watch.done("compare")
    return report.columns("drifted")


def mlobs_report(reference: str, live: str, watch: Watch) -> Found:
    """The same with intervals and the page."""
    return mlobs_check(reference, live, watch, page=True)


def scipy(reference: str, live: str, watch: Watch) -> Found:
    """Kolmogorov-Smirnov and Wasserstein, or chi-square; drifted at p < 0.05 by Bonferroni."""
    import numpy as np
    from scipy import stats

    watch.done("import")
    old, new = _pandas(reference), _pandas(live)
    watch.done("read")
    drifted = []
    for name in new.columns:
        a, b = old[name].to_numpy(), new[name].to_numpy()
        if a.dtype.kind == "f":
            p = stats.ks_2samp(a, b, method="asymp").pvalue
            stats.wasserstein_distance(a, b)
        else:
            levels, codes = np.unique(np.concatenate([a, b]).astype(str), return_inverse=True)
            counts = [np.bincount(part, minlength=len(levels)) for part in np.split(codes, [len(a)])]
            p = stats.chi2_contingency(counts).pvalue
        if p < 0.05 / len(new.columns):
            drifted.append(name)
    watch.done("compare")
    return drifted


def evidently(reference: str, live: str, watch: Watch) -> Found:
    """DataDriftPreset as it comes."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    watch.done("import")
    old, new = _pandas(reference), _pandas(live)
    watch.done("read")
    numbers = [name for name in new.columns if name.startswith("n")]
    definition = DataDefinition(
        numerical_columns=numbers, categorical_columns=[n for n in new.columns if n not in numbers]
    )
    sides = [Dataset.from_pandas(frame, data_definition=definition) for frame in (new, old)]
    metrics = Report([DataDriftPreset()]).run(*sides).dict()["metrics"]
    watch.done("compare")
    found = [metric for metric in metrics if metric["config"]["type"].endswith("ValueDrift")]
    return [m["config"]["column"] for m in found if m["value"] >= m["config"]["threshold"]]


def nannyml(reference: str, live: str, watch: Watch) -> Found:
    """UnivariateDriftCalculator, Jensen-Shannon, the live file as one chunk against ten of the reference."""
    import nannyml

    watch.done("import")
    old, new = _pandas(reference), _pandas(live)
    watch.done("read")
    method = ["jensen_shannon"]
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=list(new.columns), continuous_methods=method, categorical_methods=method, chunk_number=10
    )
    calculator.fit(old)
    result = calculator.calculate(new).filter(period="analysis").to_df()
    watch.done("compare")
    return [n for n in new.columns if result[(n, "jensen_shannon", "alert")].mean() > 0.5]


def frouros(reference: str, live: str, watch: Watch) -> Found:
    """Kolmogorov-Smirnov and Wasserstein per column of numbers; it compares no texts."""
    from frouros.detectors.data_drift import EMD, KSTest

    watch.done("import")
    old, new = _pandas(reference), _pandas(live)
    watch.done("read")
    drifted = []
    numbers = [name for name in new.columns if name.startswith("n")]
    for name in numbers:
        detectors = (KSTest(), EMD())
        for detector in detectors:
            detector.fit(X=old[name].to_numpy())
        p = detectors[0].compare(X=new[name].to_numpy())[0].p_value
        detectors[1].compare(X=new[name].to_numpy())
        if p < 0.05 / len(numbers):
            drifted.append(name)
    watch.done("compare")
    return drifted


def _pandas(path: str):  # the peers' environments have no types
    import pandas as pd

    return pd.read_parquet(path)


WAYS: dict[str, Callable[[str, str, Watch], Found]] = {
    "mlobs profile": mlobs_profile,
    "mlobs check": mlobs_check,
    "mlobs report": mlobs_report,
    "scipy": scipy,
    "evidently": evidently,
    "nannyml": nannyml,
    "frouros": frouros,
}


def main() -> None:
    """Run one way and print what it took."""
    warnings.simplefilter("ignore")
    name, reference, live = sys.argv[1:]
    watch = Watch()
    drifted = WAYS[name](reference, live, watch)
    print(json.dumps({"cpu_s": watch.seconds, "peak_mb": peak_mb(), "drifted": sorted(drifted)}))


def peak_mb() -> float:
    """Return the largest memory of this program; rusage would say that of the one it was forked from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    [kilobytes] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(kilobytes) / 1024


if __name__ == "__main__":
    main()
