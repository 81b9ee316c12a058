"""What mlobs promises, measured: `python -m benchmarks.NAME [--json]`.

Each prints its figures beside a named peer measured in the same run, in turn, with medians:
absolute times differ from machine to machine, ratios much less.
"""
