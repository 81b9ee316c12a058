"""The tables as a ClickHouse elsewhere gets them: as text, and as its parser reads them."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

from mlobs.server.clickhouse.definitions import adapted, spread
from mlobs.server.costs.agents import agents_view
from mlobs.server.costs.summed import call_sums_view
from mlobs.server.derived import exporter_view, latest_views, scores_view, totals_view
from mlobs.server.migrations import statements
from mlobs.server.minutes import minutes_view, ten_minutes_view
from mlobs.server.turns import turns_view
from mlobs.server.wire import expand

GOLDEN = Path(__file__).parent / "cluster.sql"
VIEWS = {
    "totals": totals_view(),
    "minutes": minutes_view(),
    "tens": ten_minutes_view(),
    "turns": turns_view(),
    "agents": agents_view(),
    "calls": call_sums_view(),
    "scores": scores_view(),
    "exporter": exporter_view(),
    **latest_views(),
}
STORED = re.compile(r"\{stored \w+\}")
STEPS = [
    STORED.sub("Timestamp", expand(statement))
    for step in sorted((files("mlobs.server") / "schema").iterdir(), key=lambda one: one.name)
    for statement in statements(step.read_text())
]
OTHERS = [
    "CREATE TABLE IF NOT EXISTS schema_version (Version UInt32) ENGINE = MergeTree ORDER BY Version",
    "CREATE TABLE IF NOT EXISTS canonical_columns (Digest String) ENGINE = MergeTree ORDER BY Digest",
    "CREATE DATABASE IF NOT EXISTS mlobs",
    "CREATE TABLE migrating (Nothing UInt8) ENGINE = MergeTree ORDER BY Nothing",
    "DROP VIEW IF EXISTS scores_view",
    "TRUNCATE TABLE ten_minutes",
    "ALTER TABLE otel_traces ADD COLUMN A String MATERIALIZED SpanAttributes['a']",
    "ALTER TABLE scores_view MODIFY COMMENT 'x'",
]
EVERY = [*STEPS, *OTHERS, *VIEWS.values()]
MAKING = re.compile(r"^(CREATE|DROP|ALTER|EXCHANGE|TRUNCATE)\b", re.MULTILINE)


def test_on_a_cluster_the_statements_are_these():
    """Read them when this fails; the file is written anew by deleting it."""
    text = "".join(f"{adapted(statement, 'main')};\n\n" for statement in [*STEPS, *OTHERS])
    if not GOLDEN.exists():
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


@pytest.mark.parametrize("statement", EVERY, ids=lambda text: text.split("\n", 1)[0][:60])
def test_on_a_cluster_every_definition_reaches_all_of_it_and_is_replicated(served, statement):
    """And ClickHouse's parser reads what came out."""
    made = adapted(statement, "main")
    if MAKING.search(statement):
        assert made.count(" ON CLUSTER 'main'") == 1
    else:
        assert made == statement
    assert re.findall(r"ENGINE = (?!Replicated)\w*MergeTree", made) == []
    assert "non_replicated_deduplication_window =" not in made
    if not made.lstrip().startswith("INSERT"):
        served.store.query(f"EXPLAIN AST {made}")


@pytest.mark.parametrize("statement", EVERY, ids=lambda text: text.split("\n", 1)[0][:60])
def test_on_one_server_only_the_memory_of_inserts_is_longer(statement):
    window = "non_replicated_deduplication_window = "
    assert adapted(statement, "") == statement.replace(f"{window}10000", f"{window}100000")


def test_arguments_of_an_engine_stay_behind_the_replica():
    made = adapted("CREATE TABLE t (a Int8) ENGINE = ReplacingMergeTree(a, b) ORDER BY a", "{cluster}")
    assert made == (
        "CREATE TABLE t ON CLUSTER '{cluster}' (a Int8) ENGINE = ReplicatedReplacingMergeTree("
        "'/clickhouse/tables/{uuid}/{shard}', '{replica}', a, b) ORDER BY a"
    )


def test_the_schema_version_is_the_same_on_every_shard():
    """A server in front of another shard must not make the tables again."""
    assert "'/clickhouse/tables/{uuid}', '{shard}-{replica}'" in adapted(OTHERS[0], "main")


def test_a_table_over_all_shards_reads_the_local_ones(served):
    made = spread("otel_logs", "mlobs", "mlobs_all", "main")
    assert made == (
        "CREATE OR REPLACE TABLE mlobs_all.otel_logs ON CLUSTER 'main' AS mlobs.otel_logs "
        "ENGINE = Distributed('main', 'mlobs', 'otel_logs', rand())"
    )
    served.store.query(f"EXPLAIN AST {made}")
