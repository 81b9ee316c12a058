"""What models cost: token buckets, dated prices, and which price a call has.

`prices.json` holds the rows, each with its source and the day it became valid. They are the
providers' public list prices in US dollars as far as these were known when the rows were written, and
they change. MLOBS_PRICES names a file of the same form whose rows go before them: for models that
are missing, for what your contract says, and for what has changed since. A model that has no
row costs `None`, which means unknown; nothing is ever assumed to be free. A row of zeros is.

A row:

    {"provider": "openai", "model": "gpt-4o", "valid_from": "2024-10-01", "checked": "2026-11-25",
     "source": "https://...", "input": 2.5, "output": 10, "cached_read": 1.25,
     "tiers": {"batch": 0.5, "flex": {"input": 1.25, "output": 5}}, "above": 0, "regional": 1}

Numbers are US dollars per million tokens, by the buckets of `mlobs.Usage`. `tiers` are the other
service tiers: a factor for all prices, or the prices that differ. `above` makes a row hold for calls
with more input tokens than that; the row with the largest such number holds. `regional` is the factor
where a model runs in one region of a cloud. `valid_until` is a row's last day. A model's first row
begins when it was released, or earlier where that day is not known. `checked` is the day when a row
was last compared with published price lists.

It is on the floor because two rooms price calls: the SDK estimates one when it ends, the server
works out all of them when asked, and both must say the same.
"""
