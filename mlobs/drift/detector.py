"""The sequential test behind every drift alarm: bets on bin counts, block after block.

For each feature, `unchanged` means that in every block the chances of the bins are within a total
variation of `floor` of the reference, whatever they do inside that ball. A bettor who does not
know the future puts money on the bins that recent blocks had more of; while nothing has changed the
bets lose or break even on average, so wealth says how much evidence there is that something has.

Two readings of the wealth:

* The standing alarm (`update`, `alarm`, `log_e`). Wealth begins anew whenever it has fallen to 1. With
  the alarm at a wealth of patience * family, the mean number of false alarms in the first n blocks is at
  most n / patience for every n, for all features together, whatever their dependence on each other.
  That is counted from the start (or a reset): a stretch that begins later begins with whatever wealth
  there is by then, and of one stretch alone nothing is promised. In a long enough life there will be
  false alarms; that is the price of finding changes as fast years later as on the first day. How
  likely one alarm that stands is wrong, nobody can say.
* The proof (`log_e_ever`, `p_values`, `drifted`). The chance that the p-value of an unchanged feature
  is ever, in an endless life, at most alpha is at most alpha; and the list of `drifted` has a wrong
  share of at most `fdr` in the mean at any moment one chooses. The price is evidence that must grow
  with the logarithm of the blocks before the change. It is for gates, which have an end.

Both ask that no row's law, given all rows before it, leave the ball. Rows of real streams come in bursts and
waves, and then it does; what the reference's own unrest asks for is in `sequential.dispersion`,
an estimate and not a theorem.

Sources: Shin, Ramdas and Rinaldo, E-detectors (2023), for mixtures over starting points; the clipped bet
is in `sequential.bets`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlobs.drift.floors import Floor
from mlobs.drift.sequential.bets import log_bets
from mlobs.drift.sequential.bounds import tv_lower_bounds
from mlobs.drift.sequential.discoveries import e_bh
from mlobs.drift.sequential.references import REFERENCE_ERROR, Expectations, Reference
from mlobs.drift.sequential.states import State

__all__ = ["Detector", "Reference", "State"]

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

# How much of its memory a bettor keeps from block to block. The mixture of bettors finds both
# sudden and slow changes.
MEMORIES = (0.0, 0.8, 0.97, 0.995)
RECENT = 0.97
# Rows that are alike for less than this part of a block have little in common with the next one.
LAG_OF_BLOCK = 0.5
QUIET_BLOCKS_MIN = 10
QUIET_PER_RISE = 5
STARTS = 2.2  # above the sum of 1 / (n ln(n) ** 2) from n = 2 on, which is 2.1097


class Detector:
    """Watches features of a stream, a block of rows at a time.

    Args:
        references: One for each feature.
        floor: The total variation that is not worth an alarm; "learned" for each feature's own.
        family: How many features share the budget of false alarms; those of this detector if None.
            Several detectors with one family and one patience in time are one monitor: the first n blocks
            of a stream have at most n / (patience * family) false alarms a feature, in the mean.

    Attributes:
        tolerated: For each feature the floor that is used: the one asked for, or a wider one if the
            reference's own unrest asks for it.
        effect: What its counts are divided by.
        floor_whole: All that a change must exceed to be found: `tolerated` and what the reference may be
            off, as it has only so many rows; with slots the mean over the hours. Near 1 nothing can be
            found.
    """

    def __init__(
        self,
        references: Sequence[Reference],
        *,
        floor: Floor,
        family: int | None = None,
    ) -> None:
        self.features = len(references)
        self.family = max(family or 0, self.features)
        self.given_floor = np.array([reference.floor(floor) for reference in references])
        self.expectations = Expectations(references, self.given_floor, self.family)
        self.p = self.expectations.p
        self.bins = self.expectations.bins
        self.tolerated = self.expectations.floor
        self.effect = self.expectations.effect
        self.floor = np.minimum(self.tolerated + self.expectations.slack, 1.0)
        self.floor_whole = np.minimum(self.tolerated + self.expectations.usual_slack, 1.0)
        self.reset()

    def reset(self) -> None:
        """Forget all evidence and start anew."""
        f, k, m = *self.p.shape, len(MEMORIES)
        self.blocks = 0
        self.unspent = 1.0
        self.log_wealth = np.zeros((m, f))
        self.log_ever = np.full((m, f), -np.inf)
        self.ever_peak = np.zeros(f)
        self.memory = np.zeros((m, f, k))
        self.expected = np.zeros((m, f, k))
        self.waiting = np.zeros((2, 2, f, k))
        self.waiting_rows = np.zeros(f)
        self.evidence = np.zeros((m, f, k))
        self.started = np.zeros((m, f), dtype=np.int64)
        self.started_s = np.zeros((m, f))
        self.recent = np.zeros((f, k))
        self.since = np.zeros((f, k))
        self.since_expected = np.zeros((f, k))
        self.since_slack = np.zeros(f)
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

    @property
    def log_e_ever(self) -> Doubles:
        """Return the log of each feature's e-value against `has never changed`."""
        found: Doubles = np.logaddexp(_mixed(self.log_ever), np.log(self.unspent))
        return found

    def p_values(self) -> Doubles:
        """Return for each feature a p-value against `has never changed`, valid however often one looks."""
        found: Doubles = np.exp(-self.ever_peak)
        return found

    def drifted(self, fdr: float) -> list[int]:
        """Return the places of features that have drifted, with a mean share of wrong ones of at most `fdr`.

        It is right at the moment at which one stops looking, and for features whose list has an end; it is
        not a statement about all lists that a monitor without end will ever have shown.
        """
        return e_bh(self.log_e_ever, fdr, self.family)

    def threshold(self, patience_blocks: float) -> float:
        """Return the log wealth at which an alarm is raised."""
        return float(np.log(max(patience_blocks, 1.0) * self.family))

    def update(
        self, counts: NDArray[Any], *, began_s: float, patience_blocks: float, slot: int | None = None
    ) -> Flags:
        """Take in one block and return which features' alarms were raised by it.

        Args:
            counts: Shape (features, bins). Live rows by bin; bins a feature does not have are 0. Blocks
                may differ in size, so long as what is in them does not decide where they end.
            began_s: When the block's first row came; any clock that goes forward.
            patience_blocks: The mean number of blocks to a false alarm of any feature of the family, at
                least.
            slot: The hour of the week in which the block lies (UTC, Monday 00h is 0), for references
                with slots; their whole if None.
        """
        raw = np.asarray(counts, dtype=np.float64)
        n = raw / self.effect[:, None]
        p, slack = self.expectations.at(slot)
        gain = (log_bets(self._believed(p), p, np.minimum(self.tolerated + slack, 1.0)) * n).sum(axis=-1)
        self.log_wealth = np.maximum(self.log_wealth, 0.0) + gain
        self._mix(gain)
        total = n.sum(axis=-1, keepdims=True)
        self._learn(raw.sum(axis=-1), n, total * p)
        self.recent = self.recent * RECENT + raw
        self.since += n
        self.since_expected += total * p
        self.since_slack += total[:, 0] * slack
        self._trace(raw, began_s)
        raised = self._judge(self.threshold(patience_blocks), began_s)
        self.blocks += 1
        return raised

    def tv_lower_bounds(self) -> Doubles:
        """Return for each feature a total variation that is exceeded, with 99.9 % confidence (`bounds`).

        It looks at the rows since the alarm was raised or cleared, which nobody chose after seeing
        them. So it begins at 0 when an alarm is raised, and falls again when the change is over, though
        the alarm still stands; what the alarm itself says is `alarm`.
        """
        rows = self.since_expected.sum(axis=-1)
        some = rows > 0
        p = np.divide(self.since_expected, rows[:, None], out=self.p.copy(), where=some[:, None])
        slack = np.divide(self.since_slack, rows, out=self.expectations.slack.copy(), where=some)
        found = tv_lower_bounds(self.since, p, error=REFERENCE_ERROR)
        bounds: Doubles = np.maximum(found - slack, 0.0)
        return bounds

    def state(self) -> State:
        """Return what the detector knows, to go on with later."""
        arrays = {name: np.copy(getattr(self, name)) for name in _ARRAYS}
        return State(**arrays, blocks=self.blocks, unspent=self.unspent)

    def restore(self, state: State) -> bool:
        """Go on from `state`; return False, and do nothing, if it is of other features."""
        arrays = {name: getattr(state, name) for name in _ARRAYS}
        if any(array.shape != getattr(self, name).shape for name, array in arrays.items()):
            return False
        for name, array in arrays.items():
            setattr(self, name, array.astype(getattr(self, name).dtype))
        self.blocks, self.unspent = state.blocks, state.unspent
        return True

    def _believed(self, p: Doubles) -> Doubles:
        """Return what each bettor thinks the bins' chances are, from the past alone: shape (m, f, k).

        A bin is believed to hold as many times its chance in this block's reference as it held in the
        past of the chances that it had then; one row a bin of the reference is added to both.
        """
        prior = self.bins[:, None] * self.p
        times = np.divide(
            prior + self.memory, prior + self.expected, out=np.zeros_like(self.memory), where=self.p > 0
        )
        believed: Doubles = times * p
        believed /= believed.sum(axis=-1, keepdims=True)
        return believed

    def _learn(self, rows: Doubles, n: Doubles, expected: Doubles) -> None:
        """Put the block into the bettors' memory, or let it wait until what follows is not alike any more.

        Of two lots that wait, the older goes into memory when the newer is as long as the lag.
        """
        lag = np.where(self.expectations.lag > LAG_OF_BLOCK * rows, self.expectations.lag, 0)
        self.waiting[1] += np.stack([n, expected])
        self.waiting_rows += rows
        ready = self.waiting_rows >= lag
        at_once = (lag == 0)[:, None]
        older, newer = self.waiting
        learnt = np.where(ready[:, None], older + at_once * newer, 0.0)
        self.waiting[0] = np.where(ready[:, None], np.where(at_once, 0.0, newer), older)
        self.waiting[1, :, ready] = 0.0
        self.waiting_rows[ready] = 0.0
        kept = np.where(ready, np.array(MEMORIES)[:, None], 1.0)[..., None]
        self.memory = self.memory * kept + learnt[0]
        self.expected = self.expected * kept + learnt[1]

    def _mix(self, gain: Doubles) -> None:
        """Let the mixture over all starting points grow, and spend a part of the budget on this one."""
        n = self.blocks + 2
        weight = 1 / (STARTS * n * np.log(n) ** 2)
        self.log_ever = np.logaddexp(self.log_ever, np.log(weight)) + gain
        self.unspent -= weight
        self.ever_peak = np.maximum(self.ever_peak, self.log_e_ever)

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
                self._begin_bound(i)
            self.peak[i] = wealth[i]
            self.crossed[i] = self.blocks
            self.log_wealth[:, i] = 0.0
            self.memory[:, i] = self.expected[:, i] = self.evidence[:, i] = 0.0
            self.waiting[:, :, i] = self.waiting_rows[i] = 0.0
            self.started[:, i] = self.blocks
            self.started_s[:, i] = began_s
        self.alarm |= crossing
        quiet = self.blocks - self.crossed
        cleared = self.alarm & (quiet > np.maximum(QUIET_BLOCKS_MIN, QUIET_PER_RISE * self.rise))
        self.alarm &= ~cleared
        self.change_start_s[cleared] = self.raised_s[cleared] = 0.0
        self._begin_bound(cleared)
        return raised

    def _begin_bound(self, features: Any) -> None:
        """Count anew for the lower bound."""
        self.since[features] = self.since_expected[features] = 0.0
        self.since_slack[features] = 0.0


_ARRAYS = [name for name in State.model_fields if name not in {"blocks", "unspent"}]


def _mixed(log_wealth: Doubles) -> Doubles:
    """Return the log of the bettors' mean wealth."""
    mixed: Doubles = np.logaddexp.reduce(log_wealth, axis=0) - np.log(len(log_wealth))
    return mixed
