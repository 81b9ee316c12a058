"""Beyond the embedded engine: ClickHouse's HTTP interface spoken here, and a ClickHouse elsewhere as store.

The interface (`endpoint`, `port`, `front`) is for programs that know ClickHouse: Grafana's data source,
clickhouse-connect, clickhouse-go. `asked` reads a request, `allowed` decides whether it is run, `desk` runs
it, `answers` says it as ClickHouse would.

The store elsewhere (`address`, `remote`, `store`, `definitions`) is the same tables and the same statements,
sent over that interface. Each server keeps its own journal; what it inserts carries its name (`instance`), so
that several in front of one ClickHouse never take each other's segments for their own.

Why the tables of a cluster are in two databases: the statements that fill and alter tables name the same
tables as the questions, and must reach one shard where questions must reach all.
"""
