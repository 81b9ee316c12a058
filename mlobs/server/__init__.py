"""The server: OTLP in over HTTP and gRPC, durable before it is acknowledged, answers in SQL.

Requests come in (`listener`), are let in by their token (`access`) and read (`receive`). A body is
checked, appended to the journal and synced (`receive`, `journal`); sealed segments are loaded into
the embedded ClickHouse engine by one INSERT for each table (`loader`, `wire`, `queries/load_*.sql`)
and deleted; questions, pages and /metrics read the tables (`store`, `api`, `tree`, `page`,
`derived`, `exposition`). `serve.Server` starts and stops it all.

Why a segment the engine refuses is rewritten and tried again: Python's parser skips a known field
with a wrong wire type, the engine's refuses the file for it. Rewriting every body on arrival would
cost five times what checking it does.

Why one block for each segment: the part of it that falls into one month is stored whole or not at
all, which makes the rewriting, the halving of a segment that takes too much memory (`splitting`) and
the recognition of a repeated segment safe. A segment that has left a part of some month is only
ever repeated, never rewritten or halved.

Why partitions are months from 2020 to 2049 and one for all other times: each part of an INSERT is
synced, so one program's wrong clock must not make thousands of them.

Why bytes attributes become hexadecimal and not base64: the lite engine has no base64 functions.

Known of the engine (26.5, lite): it writes 1e100 as 1e10, dropping the zeros that end an exponent of
three digits. Attributes of that size are stored wrong.

Why sums in `metric_totals` are whole numbers: parts merge in any order, and sums of floats
depend on the order. A counter that goes back by one bit is a restart to Prometheus.

Why values nest two deep, tuple elements are read with tupleElement() and attributes have fields of
one letter: planning a statement over these types costs the engine more than running it on a small
segment, and grows with each level.
"""
