"""The pages of models and costs.

    view      each model by minutes: calls, failures, latency, tokens, the cost that spans tell       pure
    spending  what calls cost by the list of prices, shaped for the page                               pure
    what_if   what the same calls would cost with other prices                                         pure
    asking    parameters and prices for the reports of `mlobs.server.costs`
    routes    the models as they work now                                                              edge
    money     costs by anything, other prices, the month                                               edge

The first page adds up minutes and refreshes; the others ask `mlobs.server.costs`, so that what was spent is
exact and can be divided by anything.
"""
