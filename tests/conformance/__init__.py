"""What any decorator that makes spans of calls must do, whoever wrote it.

The cases know only the adapter (see `conftest`), so that the suite can be run against others:
`python -m benchmarks.conformance`.
"""
