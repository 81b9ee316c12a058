"""What the preview's pure parts make of numbers, words and answers."""

import math

import pytest

from mlobs.dashboards.preview.choices import Choice, builtins, choose, interpolated
from mlobs.dashboards.preview.frames import Field, Frame, as_series, named, of_matrix, of_rows
from mlobs.dashboards.preview.gathering import apart
from mlobs.dashboards.preview.macros import conditional, expand
from mlobs.dashboards.preview.marks import marks
from mlobs.dashboards.preview.scales import moments, ticks
from mlobs.dashboards.preview.spans import Span, duration_s, moment, span, step_s
from mlobs.dashboards.preview.transformations import transformed
from mlobs.dashboards.preview.units import show
from mlobs.errors import QueryError, SettingError

NOW_S = 1_800_000_000.0


# The right column is what Grafana 13 writes for these.
@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "s", "0 s"),
        (0.25, "s", "250 ms"),
        (0.000012, "s", "12 µs"),
        (59.94, "s", "59.9 s"),
        (90, "s", "1.50 min"),
        (7200, "s", "2 hour"),
        (172800, "s", "2 day"),
        (1500, "ms", "1.50 s"),
        (1024, "bytes", "1 KiB"),
        (5 * 1024**3, "bytes", "5 GiB"),
        (1500, "decbytes", "1.50 kB"),
        (98_700, "Bps", "98.7 kB/s"),
        (0.0123, "percentunit", "1.23%"),
        (12.5, "percent", "12.5%"),
        (0.00159, "currencyUSD", "$0.00159"),
        (1234567, "currencyUSD", "$1.23M"),
        (-5, "currencyUSD", "-$5"),
        (0, "short", "0"),
        (1234, "short", "1.23 K"),
        (3_440_000, "short", "3.44 Mil"),
        (12_345, "reqps", "12.3K req/s"),
        (0.5, "ops", "0.500 ops/s"),
        (25_365, "count:tok/s", "25.4K tok/s"),
        (250, "suffix:tok/s", "250 tok/s"),
        (250, "suffix: tok/s", "250  tok/s"),
        (3, "prefix:~", "~3"),
        (7, "widgets", "7 widgets"),
        (3725, "dtdurations", "1h 2m 5s"),
        (1_800_000_000_000, "dateTimeAsIso", "2027-01-15 08:00:00"),
        (1_800_000_000_000, "time:HH:mm", "08:00"),
        (1, "bool:up/down", "up"),
        (1e30, "short", "1000000000000 Quint"),
        (math.inf, "s", "∞"),
        (-math.inf, "bytes", "-∞"),
        (math.nan, "short", "NaN"),
    ],
)
def test_a_number_is_written_with_its_unit(value, unit, text):
    # Zeros at the end go where nobody asked for decimals, as Grafana strips them.
    wanted = text.replace("1.50", "1.5").replace("0.500", "0.5")
    assert show(value, unit) == wanted


def test_decimals_that_were_asked_for_stay():
    assert (show(3, "short", 2), show(0.5, "percentunit", 1), show(2.345, "none", 2)) == (
        "3.00",
        "50.0%",
        "2.35",
    )


@pytest.mark.parametrize(
    ("word", "seconds"),
    [
        ("now", NOW_S),
        ("now-15m", NOW_S - 900),
        ("now-7d", NOW_S - 604800),
        ("now/d", NOW_S - 8 * 3600),
        ("now/M", 1798761600.0),
        ("now-1w/w", 1799020800.0),
        ("1800000000000", NOW_S),
        ("2027-01-15T08:00:00", NOW_S),
        ("2027-01-15T09:00:00+01:00", NOW_S),
    ],
)
def test_a_moment_is_read(word, seconds):
    assert moment(word, NOW_S) == seconds


@pytest.mark.parametrize("word", ["", "yesterday", "now-1q", "now-1h; DROP", "١٢"])
def test_what_is_no_moment_gets_a_sentence(word):
    with pytest.raises(SettingError, match="is no moment"):
        moment(word, NOW_S)


def test_a_range_that_ends_before_it_begins_gets_a_sentence():
    with pytest.raises(SettingError, match="Nothing lies from 'now' to 'now-1h'"):
        span("now", "now-1h", NOW_S)


def test_a_step_is_one_that_grafana_takes():
    assert step_s(Span(0, 3600), 620, 15) == 15
    assert step_s(Span(0, 86400), 620, 15) == 300
    assert (duration_s("1m30s"), duration_s(">15s"), duration_s("soon")) == (90, 15, 0)


CHOICES = {
    "service": Choice("service", ("a.b", "c"), many=True),
    "one": Choice("one", ("x'y",)),
    "bad": Choice("bad", ("\\') OR 1=1 -- ",), many=True),
    "all": Choice("all", ("p", "q"), many=True, at_all=True, all_value=".*"),
}


@pytest.mark.parametrize(
    ("text", "quoting", "filled"),
    [
        ('{s=~"$service"}', "promql", '{s=~"(a\\\\.b|c)"}'),
        ('{s=~"$all"}', "promql", '{s=~".*"}'),
        ("s IN ($service)", "sql", "s IN ('a.b','c')"),
        ("s IN (${service:singlequote})", "sql", "s IN ('a.b','c')"),
        ("${one:sqlstring}", "sql", "'x''y'"),
        ("${service:csv} ${service:pipe} ${service:raw}", "text", "a.b,c a.b|c a.b,c"),
        ("${service} ${service:glob} ${service:json}", "text", '{a.b,c} {a.b,c} ["a.b","c"]'),
        ("${service:percentencode} ${one:percentencode}", "text", "%7Ba.b%2Cc%7D x%27y"),
        # Quotes are escaped and backslashes are not, so that quoting makes nothing safe.
        ("${bad:singlequote}", "sql", r"'\\') OR 1=1 -- '"),
        ("${bad:sqlstring}", "sql", r"'\'') OR 1=1 -- '"),
        ("s IN ($bad)", "sql", r"s IN ('\') OR 1=1 -- ')"),
        ("${bad:queryparam}", "text", "var-bad=%5C%27%29%20OR%201%3D1%20--%20"),
        ("[[one]] ${one} $one", "text", "x'y x'y x'y"),
        ("/d/x?${service:queryparam}", "text", "/d/x?var-service=a.b&var-service=c"),
        ("/d/x?${all:queryparam}", "text", "/d/x?var-all=All"),
        ("$__timeFilter(t) $unknown", "sql", "$__timeFilter(t) $unknown"),
        ("${one:nonsense}", "text", "x'y"),
    ],
)
def test_variables_are_filled_in(text, quoting, filled):
    assert interpolated(text, CHOICES, quoting) == filled


def test_the_windows_are_those_grafana_makes():
    made = builtins(Span(NOW_S - 3600, NOW_S), 15, 15)
    text = interpolated("$__rate_interval $__interval $__range ${__from}", made)
    assert text == "1m 15s 3600s 1799996400000"


@pytest.mark.parametrize(
    ("variable", "asked", "values", "shown"),
    [
        ({"name": "v", "current": {"value": ["$__all"]}, "includeAll": True}, None, ("a", "b"), "All"),
        ({"name": "v", "includeAll": True}, None, ("a", "b"), "All"),
        ({"name": "v"}, None, ("a",), "a"),
        ({"name": "v", "current": {"value": "b"}}, None, ("b",), "b"),
        ({"name": "v", "current": {"value": "b"}, "multi": True}, ["a", "b"], ("a", "b"), "a + b"),
        ({"name": "v", "current": {"value": "b"}, "includeAll": True}, ["All"], ("a", "b"), "All"),
    ],
)
def test_what_is_chosen_of_a_variable(variable, asked, values, shown):
    made = choose(variable, ["a", "b"], asked)
    assert (made.values, made.text) == (values, shown)


def test_macros_are_written_out_as_the_data_source_does():
    sql = (
        "SELECT $__timeInterval(Timestamp) AS time FROM t WHERE $__timeFilter(t.at) "
        "AND $__dateTimeFilter(d, concat(a, ')')) AND x > $__fromTime_ms AND y < $__toTime() "
        "LIMIT $__interval_s"
    )
    assert expand(sql, Span(10, 20), 60) == (
        "SELECT toStartOfInterval(toDateTime(Timestamp), INTERVAL 60 second) AS time FROM t "
        "WHERE t.at >= toDateTime(10) AND t.at <= toDateTime(20) "
        "AND (d >= toDate('1970-01-01') AND d <= toDate('1970-01-01')) "
        "AND (concat(a, ')') >= toDateTime(10) AND concat(a, ')') <= toDateTime(20)) "
        "AND x > fromUnixTimestamp64Milli(10000) AND y < toDateTime(20) LIMIT 60"
    )


def test_a_condition_on_a_variable_at_all_falls_away():
    sql = "WHERE $__conditionalAll(s IN ($service), $service) AND $__conditionalAll(m = '$m', $m)"
    assert conditional(sql, {"service"}) == "WHERE 1=1 AND m = '$m'"


@pytest.mark.parametrize("value", ["", "$__all"])
def test_a_variable_that_is_empty_is_at_all(value):
    """So a hidden variable can say which of two texts a statement has."""
    assert choose({"name": "v"}, [value], None).is_free


@pytest.mark.parametrize("sql", ["$__timeFilter(a, b)", "$__timeFilter", "$__timeFilter(a", "$__dt(a)"])
def test_a_macro_with_wrong_arguments_gets_a_sentence(sql):
    with pytest.raises(QueryError, match="The macro"):
        expand(sql, Span(10, 20), 60)


def test_a_missing_step_breaks_a_line():
    (frame,) = of_matrix([{"metric": {}, "values": [[0, "1"], [15, "2"], [60, "3"]]}], "A", "x", 15)
    assert frame.fields[1].values == [1.0, 2.0, None, 3.0]


def test_a_series_is_called_by_its_legend_or_its_labels():
    assert named({"a": "1", "b": "2"}, "{{a}} of {{ b }}{{c}}") == "1 of 2"
    assert named({"a": "1"}, "") == "1"
    assert named({"__name__": "up", "a": "1", "b": "2"}, "__auto") == 'up{a="1", b="2"}'


def test_buckets_are_taken_apart():
    matrix = [
        {"metric": {"le": "+Inf"}, "values": [[0, "9"]]},
        {"metric": {"le": "1"}, "values": [[0, "4"]]},
        {"metric": {"le": "10"}, "values": [[0, "7"]]},
    ]
    assert [one["values"] for one in apart(matrix)] == [[[0, 4.0]], [[0, 3.0]], [[0, 2.0]]]


def test_a_table_of_sql_becomes_series():
    columns = [("time", "DateTime"), ("model", "LowCardinality(String)"), ("n", "Nullable(UInt64)")]
    rows = [
        ["2027-01-15 08:01:00", "a", "2"],
        ["2027-01-15 08:00:00", "a", "1"],
        ["2027-01-15 08:00:00", "b", None],
    ]
    made = as_series(of_rows(columns, rows, "A"))
    assert [(frame.fields[1].shown, frame.fields[1].values) for frame in made] == [
        ("a", [1.0, 2.0]),
        ("b", [None]),
    ]
    assert made[0].fields[0].values == [NOW_S, NOW_S + 60]


def table(ref, **columns):
    fields = [Field(n, "text" if isinstance(v[0], str) else "number", list(v)) for n, v in columns.items()]
    return Frame(ref, fields)


def test_tables_are_merged_by_the_columns_they_share():
    frames = [
        table("A", service=["a", "b"], calls=[1, 2]),
        table("B", service=["b", "c"], errors=[3, 4]),
    ]
    ((merged,), unknown) = transformed(frames, [{"id": "merge"}])
    assert not unknown
    assert {field.name: field.values for field in merged.fields} == {
        "service": ["a", "b", "c"],
        "calls": [1, 2, None],
        "errors": [None, 3, 4],
    }


def test_columns_are_ordered_renamed_and_left_out():
    frames = [table("A", service=["a"], calls=[1], time=[0])]
    options = {
        "excludeByName": {"time": True},
        "indexByName": {"calls": 0, "service": 1},
        "renameByName": {"calls": "Calls"},
    }
    ((made,), _) = transformed(frames, [{"id": "organize", "options": options}])
    assert [field.shown or field.name for field in made.fields] == ["Calls", "service"]


def test_a_transformation_that_is_not_known_is_named():
    _, unknown = transformed([], [{"id": "heatmapOfTheFuture"}, {"id": "merge", "disabled": True}])
    assert unknown == ["heatmapOfTheFuture"]


def test_an_annotation_is_one_mark_for_each_unbroken_run():
    note = {"name": "Alerts", "iconColor": "red", "titleFormat": "{{alertname}}"}
    values = [[at, "1"] for at in (0, 60, 120, 600, 660)]
    found = marks(note, [{"metric": {"alertname": "X"}, "values": values}], 60, Span(0, 1000))
    assert [(mark.title, mark.begin_s, mark.end_s) for mark in found] == [("X", 0, 120), ("X", 600, 660)]


def test_an_annotation_may_say_the_moment_itself():
    note = {"name": "Drift", "useValueForTime": True}
    found = marks(note, [{"metric": {}, "values": [[900, "500000"], [960, "500000"]]}], 60, Span(0, 1000))
    assert [(mark.begin_s, mark.end_s) for mark in found] == [(500, 500)]


def test_axes_have_round_marks():
    assert ticks(0, 0.37, 4) == [0, 0.1, 0.2, 0.3]
    assert ticks(0, 3000, 4, binary=True) == [0, 1024, 2048]
    assert [label for _, label in moments(Span(NOW_S, NOW_S + 1800), 320)] == [
        "08:00", "08:10", "08:20", "08:30",
    ]  # fmt: skip
