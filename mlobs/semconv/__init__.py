"""The vocabulary: one row for every span, attribute, metric and event mlobs emits or reads.

Decorators, the store, dashboards, alert rules and the collector's configuration read these
rows and spell no name themselves, so that a renamed metric breaks a test and not a dashboard.

Why our own rows and not `opentelemetry-semantic-conventions`: that package has none of the
v0.1.0 GenAI names. Think again when it does.
"""
