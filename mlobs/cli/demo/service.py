"""The demo's service: trains, profiles, and serves flights and passengers.

The rows are served in two parts. The first comes from the months the model was trained on, other
flights of the same population; the second is July.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import mlobs
from mlobs.cli.demo.desk import Desk
from mlobs.cli.demo.flights import DelayModel, Row, Season, Year, load
from mlobs.cli.demo.progress import Bar, Step
from mlobs.drift.monitor import Monitor
from mlobs.drift.profile import PREDICTION, Profile

MODEL = "arrival-delay@2013q1"
UNCHANGED_ROWS = 6_000
JULY_ROWS = 3_000
ROWS_A_QUESTION = 375
HELD_OUT_ROWS = 5_000
PASSENGERS = ("ana", "bo", "chi")


class Service:
    """The model, its monitor and the desk.

    Args:
        folder: Where the profile is written.
        models_url: The model server's address.
    """

    def __init__(self, folder: Path, models_url: str) -> None:
        self.questions = 0
        self.profile = folder / "profile.json"
        self._models_url = models_url
        self._year: Year
        self._model: DelayModel
        self.monitor: Monitor

    def train(self, bar: Bar) -> float:
        """Train, profile what was trained on, and return the model's AUC on flights it has not seen."""
        with bar("training a model on flights of January to March 2013", 3) as step:
            self._year = load()
            step()
            self._model = DelayModel(self._year.training)
            step()
            rows = self._year.training.rows
            columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
            columns[PREDICTION] = self._model.chances(rows)
            Profile.of(columns, model=MODEL, prediction=PREDICTION).write(self.profile)
            self.monitor = Monitor(self.profile)
            step()
        unseen = self._year.unchanged
        return self._model.auc(Season(unseen.rows[:HELD_OUT_ROWS], unseen.late[:HELD_OUT_ROWS]))

    def serve_the_same(self, bar: Bar) -> list[str]:
        """Serve the population the model knows; return the features that alarmed all the same."""
        rows = self._year.unchanged.rows[:UNCHANGED_ROWS]
        with bar(f"serving {len(rows):,} flights of the same months", len(rows)) as step:
            self._serve(rows, step)
        return [watch.feature for watch in self.monitor.state() if watch.alarm]

    def serve_july(self, bar: Bar) -> tuple[datetime, list[str]]:
        """Serve summer; return when it began and the features that alarmed."""
        began = datetime.now(UTC)
        rows = self._year.july.rows[:JULY_ROWS]
        with bar(f"summer comes: serving {len(rows):,} flights of July", len(rows)) as step:
            self._serve(rows, step)
        return began, [watch.feature for watch in self.monitor.state() if watch.alarm]

    def serve_year_after_year(self, step: Step, rows_a_question: int) -> NoReturn:
        """Serve both populations in turn, without end.

        Args:
            step: Called after each flight; how long it takes is the pace.
            rows_a_question: How many flights there are for each question to the desk.
        """
        while True:
            for season, count in ((self._year.unchanged, UNCHANGED_ROWS), (self._year.july, JULY_ROWS)):
                self._serve(season.rows[:count], step, rows_a_question)

    def _serve(self, rows: list[Row], step: Step, rows_a_question: int = ROWS_A_QUESTION) -> None:
        predict = mlobs.predict(model=MODEL, monitor=self.monitor)(self._model.chance)

        async def traffic() -> None:
            async with Desk(self._models_url, lambda flight: predict(rows[flight % len(rows)])) as desk:
                for number, row in enumerate(rows):
                    predict(row)
                    step()
                    if number % rows_a_question == 0:
                        await self._question(desk)

        asyncio.run(traffic())

    async def _question(self, desk: Desk) -> None:
        flight, user = 1000 + self.questions, PASSENGERS[self.questions % len(PASSENGERS)]
        self.questions += 1
        await desk.ask(
            f"Will flight {flight} be late, and where is its gate?", session=f"s-{user}", user=user
        )
