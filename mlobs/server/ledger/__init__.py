"""The loss ledger: where every span, metric point and log record is, from the program to the table.

Each hop (the programs, sidecars, gateways, samplers, the server) counts what it took in and what became of
it. `account` sets these counts against each other, inside each hop and from one to the next: what went in
and neither came out nor is known to wait, to be dropped or sampled out is missing, and it says where.

Counts are read one after the other while data moves. They are read so that this makes less of what is
missing, never more: of two neighbours the sender is read first.
"""
