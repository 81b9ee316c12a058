"""Grafana dashboards, built from the names the code emits.

`queries` makes PromQL out of vocabulary rows, `panels` and `layout` make Grafana's JSON out of
queries, one module per dashboard says what is on it, and `build` returns the files. `lint`
reads the files back and checks every query on its syntax tree; `push` brings them to a Grafana.

Why the classic schema (v1) and not the newer one: every Grafana from 10 on, its file
provisioning and the Kubernetes sidecar load it, whereas file provisioning of 13 still refuses
the bare newer form. We gave up tabs. Think again when provisioning takes both.

Why a layer of our own and not Grafana's SDK: its defaults (no legend, no shared crosshair) are
the ones we would override on every panel, and what we need of it is two hundred lines.
"""
