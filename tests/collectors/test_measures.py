"""The part that derives metrics: nothing is counted twice, and everything by its weight."""

from mlobs.cli.collector.measures import measures_part

PART = measures_part()


def test_calls_beyond_the_limit_of_series_are_in_one_metric_of_those_that_share_it():
    """They have no operation any more: in each copy they would be counted again."""
    removed = PART["processors"]["filter/series"]["metrics"]["datapoint"]
    keeps = [one for one in removed if "otel.metric.overflow" in one]
    connectors = [name for name in PART["connectors"] if name.startswith("span_metrics/")]
    assert len(keeps) == len(connectors) < len(removed)


def test_every_histogram_of_an_amount_counts_a_span_as_often_as_it_stands_for():
    """As the sums beside it do."""
    for one in PART["connectors"]["signal_to_metrics/amounts"]["spans"]:
        weighed = one["histogram"]["count"] if "histogram" in one else one["sum"]["value"]
        assert "AdjustedCount()" in weighed


def test_pipelines_that_connectors_feed_refuse_nothing():
    """The sender would repeat what the other branch has taken, and it would be counted again."""
    fed = [one for one in PART["service"]["pipelines"].values() if one["receivers"] != ["otlp"]]
    assert len(fed) == 2
    assert all("memory_limiter" not in one["processors"] for one in fed)
