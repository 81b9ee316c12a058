"""The sequential test behind every drift alarm: bets on bin counts, block after block.

For each feature, `unchanged` means that in every block the chances of the bins are within a total
variation of `floor` of the reference, whatever they do inside that ball. A bettor who does not
know the future puts money on the bins that recent blocks had more of; while nothing has changed the
bets lose or break even on average, so wealth says how much evidence there is that something has.

The promise is about the mean time to a false alarm: with the alarm at a wealth of
patience * features, it is at least `patience` blocks for all features together, whatever their
dependence on each other. It asks that the rows of a block be independent given the past; the
design effect makes up for rows that are not, by an estimate and not by a theorem.

Sources: Shin, Ramdas and Rinaldo, E-detectors (2023); Saha and Ramdas, Huber-robust likelihood ratio
tests (2024); the clipped bet is Huber's least favourable pair, Ann. Math. Stat. 36 (1965) 1753.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from mlobs.drift.distances import SMOOTHING, deviation_bound

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

# How much of its memory a bettor keeps from block to block. The mixture of bettors finds both
# sudden and slow changes.
MEMORIES = (0.0, 0.8, 0.97, 0.995)
RECENT = 0.97
REFERENCE_ERROR = 0.001
QUIET_BLOCKS_MIN = 10
QUIET_PER_RISE = 5
BISECTIONS = 16


@dataclass(frozen=True, slots=True)
class Reference:
    """What one feature's bins held in the reference.

    Args:
        counts: Reference rows by bin.
        design_effect: What live and reference counts are divided by; at least 1.
    """

    counts: Sequence[int]
    design_effect: float = 1.0


class State(BaseModel):
    """All that a detector knows of the past. Restored, it goes on as if nothing had happened.

    Shapes: m memories, f features, k bins of the feature that has most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    blocks: int
    log_wealth: list[list[float]]  # (m, f)
    memory: list[list[list[float]]]  # (m, f, k)
    evidence: list[list[list[float]]]  # (m, f, k): counts since `started`
    started: list[list[int]]  # (m, f): the last block in which wealth was at most 1
    started_s: list[list[float]]  # (m, f): when that block began
    recent: list[list[float]]  # (f, k)
    since: list[list[float]]  # (f, k): counts since the alarm was raised or cleared
    alarm: list[bool]  # (f,)
    peak: list[float]  # (f,): log wealth at the last crossing
    change_start_s: list[float]  # (f,): 0 while there is no alarm
    raised_s: list[float]  # (f,): 0 while there is no alarm
    crossed: list[int]  # (f,): the block of the last crossing
    rise: list[int]  # (f,): blocks that the first crossing took


class Detector:
    """Watches features of a stream, a block of rows at a time.

    Args:
        references: One for each feature.
        floor: The total variation that is not worth an alarm.
    """

    def __init__(self, references: Sequence[Reference], *, floor: float) -> None:
        f, k, m = len(references), max(len(r.counts) for r in references), len(MEMORIES)
        self.features = f
        self.bins = np.array([len(r.counts) for r in references])
        self.effect = np.array([max(r.design_effect, 1.0) for r in references])
        self.p = np.zeros((f, k))
        self.given_floor = floor
        self.floor = np.zeros(f)
        for i, reference in enumerate(references):
            counts = np.array(reference.counts, dtype=np.float64)
            smooth = (counts + SMOOTHING) / (counts + SMOOTHING).sum()
            self.p[i, : len(counts)] = smooth
            # The reference is a sample too: the truth is within this distance of it.
            rows = counts.sum()
            moved = np.abs(smooth - counts / rows).sum() / 2 if rows else 1.0
            bound = deviation_bound(len(counts), rows / self.effect[i], REFERENCE_ERROR / f)
            self.floor[i] = min(floor + moved + bound, 1.0)
        self.blocks = 0
        self.log_wealth = np.zeros((m, f))
        self.memory = np.zeros((m, f, k))
        self.evidence = np.zeros((m, f, k))
        self.started = np.zeros((m, f), dtype=np.int64)
        self.started_s = np.zeros((m, f))
        self.recent = np.zeros((f, k))
        self.since = np.zeros((f, k))
        self.alarm = np.zeros(f, dtype=np.bool_)
        self.peak = np.zeros(f)
        self.change_start_s = np.zeros(f)
        self.raised_s = np.zeros(f)
        self.crossed = np.full(f, -1, dtype=np.int64)
        self.rise = np.zeros(f, dtype=np.int64)

    @property
    def log_e(self) -> Doubles:
        """Return the log of each feature's wealth; while its alarm stands, of the wealth that raised it."""
        mixed = _mixed(self.log_wealth)
        return np.where(self.alarm, np.maximum(self.peak, mixed), mixed)

    def threshold(self, patience_blocks: float) -> float:
        """Return the log wealth at which an alarm is raised."""
        return float(np.log(max(patience_blocks, 1.0) * self.features))

    def update(self, counts: NDArray[Any], *, began_s: float, patience_blocks: float) -> Flags:
        """Take in one block and return which features' alarms were raised by it.

        Args:
            counts: Shape (features, bins). Live rows by bin; bins a feature does not have are 0.
            began_s: When the block's first row came; any clock that goes forward.
            patience_blocks: The mean number of blocks to a false alarm of any feature, at least.
        """
        raw = np.asarray(counts, dtype=np.float64)
        n = raw / self.effect[:, None]
        bets = log_bets(self._expected(), self.p, self.floor)
        before = np.maximum(self.log_wealth, 0.0)
        self.log_wealth = before + (bets * n).sum(axis=-1)
        self.memory = self.memory * np.array(MEMORIES)[:, None, None] + n
        self.recent = self.recent * RECENT + raw
        self.since += raw
        self._trace(raw, began_s)
        raised = self._judge(self.threshold(patience_blocks), began_s)
        self.blocks += 1
        return raised

    def tv_lower_bounds(self) -> Doubles:
        """Return for each feature a total variation that is exceeded, at any time with 99.9 % confidence.

        It looks at the rows since the alarm was raised or cleared, which nobody chose after seeing
        them. While an alarm stands, the alarm itself says that the floor is exceeded.
        """
        found = tv_lower_bounds(self.since / self.effect[:, None], self.p, error=REFERENCE_ERROR)
        proven = np.where(self.alarm, self.given_floor, 0.0)
        bounds: Doubles = np.maximum(found - (self.floor - self.given_floor), proven)
        return bounds

    def state(self) -> State:
        """Return what the detector knows, to go on with later."""
        found = {name: getattr(self, name).tolist() for name in State.model_fields if name != "blocks"}
        return State(blocks=self.blocks, **found)

    def restore(self, state: State) -> bool:
        """Go on from `state`; return False, and do nothing, if it is of other features."""
        arrays = {name: np.array(getattr(state, name)) for name in State.model_fields if name != "blocks"}
        if any(array.shape != getattr(self, name).shape for name, array in arrays.items()):
            return False
        for name, array in arrays.items():
            setattr(self, name, array.astype(getattr(self, name).dtype))
        self.blocks = state.blocks
        return True

    def _expected(self) -> Doubles:
        """Return what each bettor thinks the bins' chances are, from the past alone: shape (m, f, k)."""
        prior = self.bins[:, None].astype(np.float64)
        expected: Doubles = (prior * self.p + self.memory) / (prior + self.memory.sum(axis=-1, keepdims=True))
        return expected

    def _trace(self, raw: Doubles, began_s: float) -> None:
        """Remember the last block without evidence, and the counts since."""
        empty = self.log_wealth <= 0.0
        self.started[empty] = self.blocks
        self.started_s[empty] = began_s
        self.evidence = np.where(empty[..., None], raw, self.evidence + raw)

    def _judge(self, threshold: float, began_s: float) -> Flags:
        """Raise and clear alarms. A standing alarm is cleared when its evidence stops coming back."""
        wealth = _mixed(self.log_wealth)
        crossing = wealth >= threshold
        raised = crossing & ~self.alarm
        for i in np.flatnonzero(crossing):
            best = int(self.log_wealth[:, i].argmax())
            if raised[i]:
                self.change_start_s[i] = self.started_s[best, i]
                self.raised_s[i] = began_s
                self.rise[i] = self.blocks - self.started[best, i] + 1
                self.recent[i] = self.evidence[best, i]
                self.since[i] = 0.0
            self.peak[i] = wealth[i]
            self.crossed[i] = self.blocks
            self.log_wealth[:, i] = 0.0
            self.memory[:, i] = 0.0
            self.evidence[:, i] = 0.0
            self.started[:, i] = self.blocks
            self.started_s[:, i] = began_s
        self.alarm |= crossing
        quiet = self.blocks - self.crossed
        cleared = self.alarm & (quiet > np.maximum(QUIET_BLOCKS_MIN, QUIET_PER_RISE * self.rise))
        self.alarm &= ~cleared
        self.change_start_s[cleared] = self.raised_s[cleared] = 0.0
        self.since[cleared] = 0.0
        return raised


def _mixed(log_wealth: Doubles) -> Doubles:
    """Return the log of the bettors' mean wealth."""
    mixed: Doubles = np.logaddexp.reduce(log_wealth, axis=0) - np.log(len(log_wealth))
    return mixed


def log_bets(q: Doubles, p: Doubles, floor: Doubles) -> Doubles:
    """Return the log of the payoffs that a bettor who believes in `q` may take.

    Payoffs are the ratios q / p, clipped to [low, high] so that their mean is at most 1 under every
    law within a total variation of `floor` of `p`, and exactly 1 under the worst of them. A bettor
    whose q is itself within the floor does not bet: all payoffs are 1.

    Args:
        q: Shape (..., features, bins). What the bettor believes.
        p: Shape (features, bins), 0 for bins that a feature does not have.
        floor: Shape (features,).
    """
    real = np.broadcast_to(p > 0, q.shape)
    wide = np.broadcast_to(p, q.shape)
    ratio = np.divide(q, wide, out=np.zeros_like(q), where=real)
    order = np.argsort(-ratio, axis=-1, kind="stable")
    q_top = np.cumsum(np.take_along_axis(q, order, -1), axis=-1)
    p_top = np.cumsum(np.take_along_axis(wide, order, -1), axis=-1)
    eps = floor[:, None]
    high = (q_top / (p_top + eps)).max(axis=-1, keepdims=True)
    # The bins after the first j: their chances are 1 minus the sums so far.
    q_rest = 1 - np.concatenate([np.zeros_like(q_top[..., :1]), q_top[..., :-1]], axis=-1)
    p_rest = 1 - np.concatenate([np.zeros_like(p_top[..., :1]), p_top[..., :-1]], axis=-1)
    room = p_rest - eps
    low = np.divide(q_rest, room, out=np.full_like(q, np.inf), where=room > 1e-12).min(axis=-1, keepdims=True)
    bets = np.where(real & (high > 1) & (low < 1), np.clip(ratio, low, high), 1.0)
    logs: Doubles = np.log(np.maximum(bets, np.finfo(np.float64).tiny))
    return logs


def tv_lower_bounds(counts: Doubles, p: Doubles, *, error: float) -> Doubles:
    """Return for each feature a distance from `p` that the law behind `counts` exceeds.

    It holds however often one looks, but for a probability of `error`. It is the largest eps for
    which the counts are 1 / error times likelier under a mixture of all laws (Dirichlet-multinomial,
    one pseudo-count a bin) than under the best law within eps of p.

    Args:
        counts: Shape (features, bins). Rows since a moment that was not chosen by looking at them.
        p: Shape (features, bins), 0 for bins that a feature does not have.
        error: Such as 0.001.

    Source: universal inference, Wasserman, Ramdas and Balakrishnan, PNAS 117 (2020) 16880; Ville.
    """
    totals = counts.sum(axis=-1)
    share = np.divide(counts, totals[:, None], out=np.zeros_like(p), where=counts > 0)
    log_share = np.log(share, out=np.zeros_like(p), where=share > 0)
    mixture = np.array(
        [_log_mixture(row, int(k)) for row, k in zip(counts, (p > 0).sum(axis=-1), strict=True)]
    )
    low, high = np.zeros(len(p)), np.ones(len(p))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        # share / payoff is the law in the ball under which the counts are likeliest.
        best = (counts * (log_share - log_bets(share, p, middle))).sum(axis=-1)
        outside = mixture - best >= math.log(1 / error)
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    return low


def _log_mixture(counts: Doubles, bins: int) -> float:
    """Return the log of the Dirichlet-multinomial likelihood of a sequence with these counts."""
    total = float(counts.sum())
    found = sum(math.lgamma(count + 1) for count in counts.tolist() if count)
    return found + math.lgamma(bins) - math.lgamma(total + bins)
