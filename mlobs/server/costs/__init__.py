"""What model calls cost: computed when asked, from disjoint token buckets and dated prices.

    calls          which spans count, and the tokens of each bucket              SQL
    summed         calls added up by trace and ten minutes, as they arrive       SQL
    agents         when which agent ran, and whom a call was made for            SQL
    sources        what is read from the sums, and what from the spans           SQL
    groupings      what costs can be divided by                                  SQL
    statements     the questions: classes, groups, traces                        SQL
    pricing        which prices a class has: dates, tiers, sizes, spellings      pure
    figures        what becomes of the sums                                      pure
    report, month  put questions and prices together                             pure
    untold         costs of calls that tell none, for what reads the cost of a span
    books          the file of MLOBS_PRICES, read again when it changes
    routes         GET and POST /api/cost, GET /api/cost/month                   edge

A price depends on few things: provider, models, service tier, which of the sizes that have other prices the
input is above, and which of the days on which prices change the call came after. Calls that have these in
common are a class. The store adds up the tokens of each class and, where costs are divided, of each class in
each group; prices are found here, once for each class. Dollars are whole numbers of 10^-24 until they are
printed, so sums are exact and rows add up. The store only decides which groups are the dearest, so that a
million users need not be sent.

Prices are not frozen at ingest: the same question with other prices, or another model, is another look-up.
The cost of a span, which budgets, metrics and lists read, is: it is that of the price when it was stored.

Which spans count: model calls and embeddings. Agents repeat the usage of what they called, so they do not.
Where two instrumentations record one request (a framework's span and, below it, the client's), the outer one
is left out: a model call whose child is a model call of the same model with the same totals of tokens. The
inner one is nearer to the bill: it knows cached tokens and the service tier, and of a request that was made
twice there are two of it.

The sum of all calls comes from the statement that divides them, as one more row: asked for before it, it
would lack the calls that came in between, and rows would not add up to it.

Measured with 5 million model calls of 10 million spans in a day, in CPU seconds of two busy cores: what the
sums tell, .1 for whether calls repeat others, .25 for classes, .6 for groups and their traces, .35 for groups
of a chart; .9 by agent; .3 more to find the dearest of 125 000 sessions first. A range of whole tens of
minutes takes two thirds of that. What only the spans tell (tenants that calls do not name, any attribute)
takes 12 and more.

Why the dearest of many groups are found first: adding up all that is told of each took 3 seconds. They are
found by their cost alone; the statement that divides tells these apart and adds up the others with all calls.

Why sums keep the trace: a trace that has calls in several groups, or on both sides of ten minutes, is one
trace; numbers of traces cannot be added up. So there is a row for each trace and not one for each call.

Why no table of prices in the store: a look-up tries spellings, sellers and snapshots of a model's name; in
SQL that would be a second implementation that must agree with the SDK's.

Why two branches of a UNION in `calls`: the service tier and the rarer buckets have no column, and reading
them from the map of attributes made the statement five times slower. Which keys a span has is cheap to
know, so the map is read only where it has one of them. A column that `semconv.attributes` names is used.

Why what is repeated is found by one hash, outside of the UNION: sets of ids as text, one for each branch,
took 16 seconds and more than 1 GB where this takes 2.
"""
