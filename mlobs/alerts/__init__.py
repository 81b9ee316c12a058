"""Alert rules as data, their evaluation, and webhooks that arrive.

`catalogue` holds the rules, `rulefile` and `wherefile` read users' own; `promql` and `sql` ask for what
they measure, `prometheus`, `grafana` and `kubernetes` render them as files, `recording` has what
Prometheus computes of drift for them. `states` says when one fires, `ends` why it ended, `replay` when
one would have. `routing` says who is told, `outbox` remembers it and `delivery` takes it to the `sinks`.
`receive` takes alerts from elsewhere. `silencing` spares people for a while, `history` keeps what fired,
and `close_up` shows one alert whole. `alerting` ties them to a clock; everything the server mounts is
there.

Why one catalogue and two renderings: a rule kept twice, in PromQL and in SQL, disagrees with
itself within a month. An indicator therefore says what is measured ("the share of failed
calls of this metric"), never how to ask for it. We gave up free-form expressions, but for what only
Prometheus knows. Think again when somebody needs an alert no indicator can say; then add an indicator.

Why SQLite for the outbox and not the store: a change of state and the message about it must
become durable in one transaction, a few times an hour, also while the store is down.

Why at least once: a sink that takes a message and dies before it answers cannot be told from
one that never got it. So a message may arrive twice, always under the same delivery id.
"""
