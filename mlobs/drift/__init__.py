"""Says what moved between the data a model was trained on and the data it sees now.

`profile` is the training data's summary, made by `build` from the batches of `readers` (files, by way of
`sources`) or `frames` (memory). `bins` counts values, `distances` compares counts. `check` judges one batch
of data, and `report` draws what it found; `detector`, whose parts are in `sequential`, judges a stream
without end. `monitor` feeds the detector from a service, by way of `live` and its `streams`, and `meter`
publishes what it knows; `fleet` feeds it with what all processes of a service counted, `backtest` with rows
of the past, and `gate` with data that has an end.

Why counts in bins: they add up over batches, processes and pods, every distance comes from them,
and a reference of a million rows becomes a file one can read. We gave up exactness inside a bin;
the distances say how much that costs. Texts are counted by their length and embeddings by the nearest of
a few centres, beside their mean: what they mean is not looked at. Think again when that is asked for.

Why a floor under the total variation instead of a p-value: rows enough make every difference
significant, and one finite reference makes the error of all later tests the same error. A share of
values that may sit in the wrong bin has a unit people understand, and the finite reference is a
term of it.
"""

from mlobs._extras import require

require("numpy", extra="drift", feature="Measuring drift")
