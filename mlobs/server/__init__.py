"""The server: OTLP in over HTTP and gRPC, durable before it is acknowledged, answers in SQL.

Requests come in (`listener`), are let in by their token (`access`) and read (`receive`). A body is
checked, appended to the journal and synced (`journal`, `framing`). Sealed segments are loaded into
ClickHouse and deleted (`loader`, `splitting`): each is parsed once into memory (`staging`, `wire`),
values that SQL cannot turn into text are looked up (`values`), and one INSERT fills each table
(`queries/load_*.sql`), where other dialects become the canonical columns (`canonical`). The tables
are made by `migrations` from `schema/*.sql`, the views over them by `derived`, `judgements`, `exemplars`,
`minutes` and `turns`. `store` is the embedded engine, `clickhouse` a ClickHouse elsewhere and its HTTP
interface here. Questions are `ask` and `costs`; `pages` are for people, from what is stored and from sums
by minute; `ledger` adds up what became of everything that was made; `upkeep` drops, deletes and copies;
`exposition` writes /metrics, `api` and `tree` the rest. What the server itself finds out of a service
(`figures`) is stored like what is sent (`points`). `serve.Server` starts and stops it all.

Why a segment the engine refuses is rewritten and tried again: Python's parser skips a known field
with a wrong wire type, the engine's refuses the file for it. Rewriting every body on arrival would
cost five times what checking it does.

Why one block for each segment: the part of it that falls into one day is stored whole or not at
all, which makes the rewriting, the halving of a segment that takes too much memory (`splitting`) and
the recognition of a repeated segment safe. A segment that has left a part of some day is only
ever repeated, never rewritten or halved.

Why one table is filled at a time though two threads load: whoever fails must know whether a part that
is new is its own. Reading the next segment into memory is what runs beside it.

Why statements that load are planned by the engine's older analyzer: the newer one took 100 ms to plan
what the older one plans in 30, and segments are small while little arrives. Planning, not reading,
was what an INSERT cost: types nested for attributes inside attributes made it a third of a second.
Now arrays and maps stay bytes until Python has made JSON of each different one.

Why content lies beside the attributes: a question about attributes would read it, and it is nine
tenths of the bytes.

Why bytes attributes become hexadecimal and not base64: the lite engine has no base64 functions.

Why sums in `metric_totals` are whole numbers: parts merge in any order, and sums of floats
depend on the order. A counter that goes back by one bit is a restart to Prometheus.
"""
