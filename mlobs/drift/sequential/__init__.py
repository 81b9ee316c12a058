"""The parts of the sequential test behind `detector`: pure functions of counts.

`bets` is the payoff that no unchanged stream makes profitable, `bounds` the gauge of how far a
stream has moved at least, `references` what the reference says about the next block, `dispersion`
how many rows of a dependent stream count as one, `swings` and `hours` where that is measured, `samples`
what it means for `check`, `discoveries` the list of what has drifted, and `states` what is kept over a
restart.
"""
