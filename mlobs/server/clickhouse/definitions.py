r"""The statements of `schema/*.sql` as a ClickHouse elsewhere needs them.

On one server only what recognises repeated inserts differs: several of us share it, and so its length. On a
cluster every table is replicated, statements say ON CLUSTER, and beside the database of local tables there is
one of Distributed tables with the same names, for questions.
"""

import re

# Of inserts that are remembered, for all servers together. A segment is sent again after a crash or when the
# connection broke, so it must be remembered while as many others come as there may be until then.
WINDOW, WINDOW_SECONDS = 100_000, 7 * 86_400
LOCAL_WINDOW = re.compile(r"\bnon_replicated_deduplication_window = \d+")
HEADS = (
    re.compile(r"^(CREATE TABLE (?:IF NOT EXISTS )?\w+)", re.MULTILINE),
    re.compile(r"^(CREATE MATERIALIZED VIEW (?:IF NOT EXISTS )?\w+)", re.MULTILINE),
    re.compile(r"^(DROP (?:TABLE|VIEW) (?:IF EXISTS )?\w+)", re.MULTILINE),
    re.compile(r"^(ALTER TABLE \w+)", re.MULTILINE),
    re.compile(r"^(TRUNCATE TABLE \w+)", re.MULTILINE),
    re.compile(r"^(EXCHANGE TABLES \w+ AND \w+)", re.MULTILINE),
    re.compile(r"^(CREATE DATABASE (?:IF NOT EXISTS )?\w+)", re.MULTILINE),
)
ENGINE = re.compile(r"\bENGINE = (\w*MergeTree)(?:\(([^()]*)\))?")
# What each shard has to know of all, and so has one set of replicas over the whole cluster.
EVERYWHERE = re.compile(
    r"^CREATE TABLE (?:IF NOT EXISTS )?(?:schema_version|canonical_columns)\b", re.MULTILINE
)
PATH, PATH_EVERYWHERE = "/clickhouse/tables/{uuid}/{shard}", "/clickhouse/tables/{uuid}"
REPLICA, REPLICA_EVERYWHERE = "{replica}", "{shard}-{replica}"


def adapted(statement: str, cluster: str) -> str:
    """Return a statement that defines something for a ClickHouse elsewhere.

    Args:
        statement: As for the embedded engine.
        cluster: Its cluster's name; "" for one server.

    >>> adapted("DROP TABLE IF EXISTS t", "c")
    "DROP TABLE IF EXISTS t ON CLUSTER 'c'"
    """
    if not cluster:
        return LOCAL_WINDOW.sub(f"non_replicated_deduplication_window = {WINDOW}", statement)
    everywhere = EVERYWHERE.search(statement) is not None
    path = PATH_EVERYWHERE if everywhere else PATH
    replica = REPLICA_EVERYWHERE if everywhere else REPLICA

    def replicated(found: re.Match[str]) -> str:
        more = f", {found[2]}" if found[2] else ""
        return f"ENGINE = Replicated{found[1]}('{path}', '{replica}'{more})"

    for head in HEADS:
        statement = head.sub(lambda found: f"{found[1]} ON CLUSTER '{cluster}'", statement, count=1)
    statement = ENGINE.sub(replicated, statement)
    return LOCAL_WINDOW.sub(
        f"replicated_deduplication_window = {WINDOW}, "
        f"replicated_deduplication_window_seconds = {WINDOW_SECONDS}",
        statement,
    )


def spread(table: str, database: str, everything: str, cluster: str) -> str:
    """Return the statement that makes the table over all shards for a local one."""
    return (
        f"CREATE OR REPLACE TABLE {everything}.{table} ON CLUSTER '{cluster}' AS {database}.{table} "
        f"ENGINE = Distributed('{cluster}', '{database}', '{table}', rand())"
    )
