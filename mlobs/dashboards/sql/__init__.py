"""SQL of the board that asks spans where they are stored.

`statements` makes SQL out of columns, `panels` makes Grafana's JSON out of statements.
"""
