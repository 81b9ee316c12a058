"""What each verdict and figure of a report means, in a sentence or two."""

from mlobs.drift.finding import Report, Verdict

FIGURES: dict[str, str] = {
    "wrong bin (TV)": (
        "Total variation: the share of live values that would have to change their bin for the live data "
        "to look like the reference. 0 % is no difference, 100 % is no overlap. It is taken over about ten "
        "bins and those for missing, unseen and outlying values."
    ),
    "at least": "What is left of that share when chance in both samples is taken off. Verdicts rest on it.",
    "floor": (
        "The share of values that may sit in the wrong bin before the column has drifted; given, or learned "
        "from how far the reference's own days lie apart."
    ),
    "PSI": (
        "Population stability index over the same bins, in nats, with half a count added to each bin. "
        "Without any drift it is not zero; the debiased value has what chance adds taken off, and may be "
        "below zero; the interval is that of the latter. A habit says 0.1 is some and 0.2 much drift, "
        "whatever the number of rows."
    ),
    "JS": "Jensen-Shannon distance over the same bins: the root of the divergence in bits, from 0 to 1.",
    "KS": (
        "Kolmogorov-Smirnov: the largest difference between the two cumulative shares of the values on the "
        "axis. No p-value is given: with enough rows every difference has a small one."
    ),
    "W1": (
        "Wasserstein distance: how far a value must be moved on average, in standard deviations of the "
        "reference."
    ),
    "mean vector": (
        "Of embeddings: how far the mean has moved, in units of the root mean square distance of the "
        "reference's vectors from their own mean. What chance adds is taken off."
    ),
    "[low, high]": (
        "90 % interval of a distance: the true values that fit what was seen, found by drawing both samples "
        "anew for changes in the direction that was seen. It begins at 0 where no change fits as well."
    ),
    "missing": "Null, NaN or not there.",
    "unseen": (
        "A category, type or value that the reference did not have. Of many categories a profile forgets the "
        "rarest; the share that those had in the reference is taken off."
    ),
    "outside": "Below the smallest or above the largest value of the reference.",
}


def verdicts(report: Report) -> dict[Verdict, str]:
    """Return what each verdict means in this report."""
    return {
        "schema change": (
            "The column is missing or its values are of another type. Whole numbers that come as decimals "
            "have not changed."
        ),
        "drifted": (
            f"With both samples' errors taken off, more than {report.floor_words} of the values sit in the "
            f"wrong bin, or the mean vector has moved by more than that many spreads. The chance that any "
            f"such verdict in this report is wrong is at most {report.error:g}, as long as rows are "
            f"independent; dependence that the profile knows of is taken off."
        ),
        "insufficient data": (
            "Too few rows for a proof either way, or no labels yet. Nothing is said about the column, least "
            "of all that it is well."
        ),
        "stable": (
            "There are rows enough, and what they show is no more than that share and chance explain: the "
            "90 % interval reaches down to it."
        ),
        "new column": "The profile does not know it, so there is nothing to compare with.",
    }
