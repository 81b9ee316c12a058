"""TraceQL of the board that asks Tempo.

`queries` makes TraceQL out of vocabulary rows, `panels` makes Grafana's JSON out of queries.
"""
