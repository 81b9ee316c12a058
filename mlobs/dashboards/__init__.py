"""Grafana dashboards, built from the names the code emits.

`queries` makes PromQL out of vocabulary rows, `sql.statements` SQL and `traceql.queries` TraceQL; `panels`,
`tables`, `charts`, `sql.panels` and `traceql.panels` make Grafana's JSON out of them, and `layout` places it.
`boards` has one module per dashboard that says what is on it, `truth` what two of them share, `looks` what
all panels share; `build` returns the files.

What reads dashboards back: `lint` checks every query on its syntax tree, `preview` draws a dashboard as a
page without Grafana, and `grafana` pushes dashboards, data sources and rules to a Grafana by its API.

Why the classic schema and the newer one: every Grafana from 10 on, its file provisioning and the Kubernetes
sidecar load the classic; the newer is what Grafana 13 keeps, takes by its API and reads from Git, and what
provisioning of files refuses. `resource` makes the second from the first, so that both show the same. Think
again when provisioning takes both.

Why a layer of our own and not Grafana's SDK: its defaults (no legend, no shared crosshair) are the ones we
would override on every panel. Its models read what we write, in the tests.
"""
