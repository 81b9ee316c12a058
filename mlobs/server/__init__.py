"""The server: OTLP in over HTTP, durable before it is acknowledged, answers in SQL.

A request body is checked, appended to the journal and synced (`receivers`, `journal`); sealed
segments are loaded into the embedded ClickHouse engine by one INSERT for each table (`loader`,
`wire`, `queries/load_*.sql`) and deleted; questions, pages and /metrics read the tables
(`store`, `api`, `tree`, `page`, `derived`, `exposition`). `serve.Server` starts and stops it all.

Why the body that is journaled is not the one that came: after parsing, unknown fields are
dropped and the message is serialised again (about 1 µs a span). Bodies that Python's parser
forgives and the engine's refuses would otherwise stop a whole segment.

Why bytes attributes become hexadecimal and not base64: the lite engine has no base64 functions.

Why sums in `metric_totals` are whole numbers: parts merge in any order, and sums of floats
depend on the order. A counter that goes back by one bit is a restart to Prometheus.

Why values nest two deep: each level doubles the columns an attribute has while it is read, and
with three the conversion cost more than reading, sorting and writing together.
"""
