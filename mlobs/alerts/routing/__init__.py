"""Who is told of what: routes by labels, groups, quiet hours, flapping, a budget of pages.

`config` is what users write, `file` reads it and says where it is wrong, `router` decides what becomes
of a message (`plans`), which `silence` may keep for a while;
`state` is what the router remembers and `memory` keeps that in SQLite; `dispatcher` puts what
was decided into the outbox.

Why a budget of pages: nobody reads the two hundredth page of a week. A route that has spent its
budget says so once and sends the rest where it can be read later, and each demotion leaves a
receipt. We gave up paging for everything. Think again if a route's alerts are all worth waking
somebody: then give it no budget.

Why the router keeps no memory of its own: what it decided and what it remembers of it become
durable in one transaction with the messages, so a crash can repeat neither.
"""
