"""Questions: a filter language, what can be asked with it, and users' own SQL.

`lexing`, `parsing` and `syntax` read a filter into a tree; `keys` is the table of what can be asked for;
`compiling` makes SQL of the tree, every value a bound parameter. `ranges` and `cursors` read what else
comes with a question. `statements` writes the SQL of each question, `listing` and `asking` put it to a
store, `routes` and `openapi` are the HTTP side. `guard` decides which SQL of users is run, `console` runs
it.

What a filter means: it asks about one span, and a trace is found when one of its spans is as the filter
says. `tool:refund status:error` is a failed call of refund, not a trace with a refund and a failure
somewhere. That is how Tempo and Jaeger read conditions that stand side by side. Facts of a whole run
(`"text"`, session, conversation, user, and anything in braces) hold when any span of the trace has them:
`{tool:refund} {tool:lookup}` is both in one trace, `-{status:error}` is no failed span at all.

Why lists look through growing windows of time: grouping ten million spans by their trace takes seconds;
grouping those of the newest minutes takes milliseconds, and nearly always has a page full of traces in it.
Facts of other spans of a trace are looked for within an hour of the window.

Why users' SQL is checked twice before it runs: a read-only connection of the engine still writes files
(INTO OUTFILE), kills queries and shows the server's own tables. The engine's own lexer sees whether there
is one statement, and its own parser what that statement would do; neither executes anything.
"""
