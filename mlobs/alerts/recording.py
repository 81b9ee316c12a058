"""Recording rules: drift of a whole fleet, computed by Prometheus from the counters of its processes.

The counters of all processes of a service are added up, restarts allowed for, so recorded series carry no
pod and no instance: what is kept for long is one series for each feature, or for each of its bins. The
profile's ref stays, so that two versions of a profile are never mixed.

The numbers are those of `mlobs.drift.distances`, over the last hour: psi with half a count added to each bin;
js, tv, ks and w1 as they are; ks and w1 over the bins along the axis alone. A bin that nobody has counted
yet is 0, and so is one that the reference does not have. The debiased psi takes off what chance adds where
every bin has many rows, (bins - 1) * design effect * (1 / rows + 1 / reference rows); of bins with few rows
`distances.psi_bias` knows better.

The design effect that monitors tell is what their detector divides counts by. Where the reference swings in
slow waves the detector has another remedy: it divides by 1 and lets more pass, and the floor that monitors
tell is wider than the one they were given. Both are needed, so a bound is proof of a change only above its
feature's floor; `drift_tv_above_floor` has only such bounds.

The lower bound takes off total variation what chance could have done (Bretagnolle and Huber, and Carol; see
`distances.deviation_bound`), to the live rows and to those of the reference, both divided by the design
effect. The chance is shared between a year of one-minute evaluations and all features of the model, so that
on average less than one false alarm a year comes of all of them; windows that overlap are counted as if they
did not.

increase() extrapolates to the edges of its window, so counts are not whole, and after a reset what a process
counted between its last scrape and its end is not known. Shares are hardly changed by either.
"""

from dataclasses import dataclass, field
from math import log

from mlobs.semconv import attributes as a
from mlobs.semconv import metrics as m

WINDOW = "1h"
INTERVAL = "1m"
EVALUATIONS_A_YEAR = 525_960
REFERENCE_ERROR = 0.001
# Bins along an axis, before the last: monitors have at most ten, and one below them.
CUTS = ("__below__", *(f"{number:02d}" for number in range(10)))
NO_NUMBER = "__null__|__other__"

OBSERVATIONS = f"mlobs:drift_observations:increase{WINDOW}"
ROWS = f"mlobs:drift_rows:increase{WINDOW}"
LIVE_RATIO = f"mlobs:drift_live_ratio:increase{WINDOW}"
REFERENCE_ROWS = "mlobs:drift_reference_rows:max"
REFERENCE_RATIO = "mlobs:drift_reference_ratio:max"
DESIGN_EFFECT = "mlobs:drift_design_effect:max"
FLOOR = "mlobs:drift_floor:max"
BINS = "mlobs:drift_bins:count"
FEATURES = "mlobs:drift_features:count"
PSI = f"mlobs:drift_psi:increase{WINDOW}"
PSI_DEBIASED = f"mlobs:drift_psi_debiased:increase{WINDOW}"
JS = f"mlobs:drift_js:increase{WINDOW}"
TV = f"mlobs:drift_tv:increase{WINDOW}"
TV_LOWER_BOUND = f"mlobs:drift_tv_lower_bound:increase{WINDOW}"
TV_ABOVE_FLOOR = f"mlobs:drift_tv_above_floor:increase{WINDOW}"
CUMULATIVE = f"mlobs:drift_cumulative:increase{WINDOW}"
KS = f"mlobs:drift_ks:increase{WINDOW}"
W1 = f"mlobs:drift_w1:increase{WINDOW}"

FEATURE = ", ".join(label.label for label in (a.SERVICE_NAME, *m.FEATURE_LABELS))
BIN = f"{FEATURE}, {a.BIN.label}"
# Recorded series have these labels and no others, so rules about them name only what they leave out.
WITHOUT_BIN = f"sum without ({a.BIN.label})"
PER_FEATURE = f"ignoring ({a.BIN.label}) group_left ()"
PER_MODEL = f"ignoring ({a.FEATURE.label}, {a.SEGMENT.label}) group_left ()"


@dataclass(frozen=True, slots=True)
class Recording:
    """A series that Prometheus computes and keeps.

    Args:
        name: As Prometheus wants it: what it is an aggregate of, the thing, the operation.
        expression: PromQL, over several lines.
        labels: That every sample gets.
    """

    name: str
    expression: str
    labels: dict[str, str] = field(default_factory=dict)


def recordings() -> tuple[Recording, ...]:
    """Return every packaged recording rule, each after those it reads."""
    return (*_counts(), *_distances(), *_along_the_axis(), *_proven())


def _counts() -> tuple[Recording, ...]:
    counted = f"sum by ({BIN}) (increase({m.DRIFT_OBSERVATIONS.prometheus}[{WINDOW}]))"
    share = f"max by ({BIN}) ({_kept(m.DRIFT_REFERENCE_RATIO.prometheus)})"
    effect = f"max by ({FEATURE}) ({_kept(m.DRIFT_DESIGN_EFFECT.prometheus)})"
    floor = f"max by ({FEATURE}) ({_kept(m.DRIFT_FLOOR.prometheus)})"
    known = f"({OBSERVATIONS} and ignoring ({a.BIN.label}) {REFERENCE_ROWS})"
    return (
        Recording(OBSERVATIONS, f"{counted}\nor\n0 * {share}"),
        Recording(ROWS, f"{WITHOUT_BIN} ({OBSERVATIONS}) > 0"),
        Recording(LIVE_RATIO, f"{OBSERVATIONS} / {PER_FEATURE} {ROWS}"),
        Recording(REFERENCE_ROWS, f"max by ({FEATURE}) ({_kept(m.DRIFT_REFERENCE_ROWS.prometheus)})"),
        Recording(REFERENCE_RATIO, f"{share}\nor\n0 * {known}"),
        Recording(DESIGN_EFFECT, f"clamp_min({effect}, 1)\nor\n1 + 0 * {REFERENCE_ROWS}"),
        Recording(FLOOR, f"{floor}\nor\n0 * {REFERENCE_ROWS}"),
        Recording(BINS, f"count without ({a.BIN.label}) ({OBSERVATIONS})"),
        Recording(FEATURES, f"count without ({a.FEATURE.label}, {a.SEGMENT.label}) ({REFERENCE_ROWS})"),
    )


def _distances() -> tuple[Recording, ...]:
    p, q = REFERENCE_RATIO, LIVE_RATIO
    smooth_p = _smoothed(f"{REFERENCE_RATIO} * {PER_FEATURE} {REFERENCE_ROWS}", REFERENCE_ROWS)
    smooth_q = _smoothed(OBSERVATIONS, ROWS)
    return (
        Recording(
            PSI,
            f"{WITHOUT_BIN} (\n  ({smooth_q} - {smooth_p})\n    *\n  ln({smooth_q} / {smooth_p})\n)",
        ),
        Recording(
            PSI_DEBIASED, f"{PSI} - ({BINS} - 1) * {DESIGN_EFFECT} * (1 / {ROWS} + 1 / {REFERENCE_ROWS})"
        ),
        Recording(
            JS,
            f"sqrt(clamp_min((\n  {WITHOUT_BIN} (({p} > 0) * log2(2 * {p} / ({p} + {q})))\n    +\n"
            f"  {WITHOUT_BIN} (({q} > 0) * log2(2 * {q} / ({p} + {q})))\n) / 2, 0))",
        ),
        Recording(TV, f"{WITHOUT_BIN} (abs({q} - {p})) / 2"),
    )


def _along_the_axis() -> tuple[Recording, ...]:
    """Return the differences of the cumulative shares at each cut, their largest, and their sum by gap."""
    cuts = []
    for place, cut in enumerate(CUTS):
        below = f'{a.BIN.label}=~"{"|".join(CUTS[: place + 1])}"'
        live, trained = (
            f"{WITHOUT_BIN} ({shares}{{{below}}}) / {_on_the_axis(shares)}"
            for shares in (LIVE_RATIO, REFERENCE_RATIO)
        )
        cuts.append(Recording(CUMULATIVE, f"abs(\n  {live}\n    -\n  {trained}\n)", {a.BIN.label: cut}))
    gap = f"max by ({BIN}) ({_kept(m.DRIFT_CUT_GAP.prometheus)})"
    return (
        *cuts,
        Recording(KS, f"max without ({a.BIN.label}) ({CUMULATIVE})"),
        Recording(W1, f"{WITHOUT_BIN} (\n  {CUMULATIVE}\n    *\n  {gap}\n)"),
    )


def _proven() -> tuple[Recording, ...]:
    live = f"({BINS} * {log(2)} + {PER_MODEL} ln({EVALUATIONS_A_YEAR} * {FEATURES}))"
    trained = f"({BINS} * {log(2)} + {PER_MODEL} ln({FEATURES} / {REFERENCE_ERROR}))"
    return (
        Recording(
            TV_LOWER_BOUND,
            f"clamp_min(\n  {TV}\n    -\n  sqrt({live} * {DESIGN_EFFECT} / (2 * {ROWS}))\n    -\n"
            f"  sqrt({trained} * {DESIGN_EFFECT} / (2 * {REFERENCE_ROWS})),\n  0\n)",
        ),
        Recording(TV_ABOVE_FLOOR, f"{TV_LOWER_BOUND} > {FLOOR}"),
    )


def _kept(series: str) -> str:
    """Return a gauge as it was lately: counters of a process that ended count as long."""
    return f"max_over_time({series}[{WINDOW}])"


def _smoothed(counts: str, rows: str) -> str:
    return f"(({counts} + 0.5) / {PER_FEATURE} ({rows} + 0.5 * {BINS}))"


def _on_the_axis(shares: str) -> str:
    """Return the share of values that are numbers, of features whose bins are along an axis."""
    numbers = f'{WITHOUT_BIN} ({shares}{{{a.BIN.label}!~"{NO_NUMBER}"}})'
    return f'(({numbers} > 0) and ignoring ({a.BIN.label}) {shares}{{{a.BIN.label}="{CUTS[0]}"}})'
