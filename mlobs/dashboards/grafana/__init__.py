"""Brings dashboards, data sources, alert rules and a contact point to a Grafana.

`address` reads what the user gave, `client` talks and turns every refusal into a sentence
(`refusals`). One file for each kind of thing says what of it should be there and what that
changes: `boards`, `sources`, `rules`, `contact`. `push` reads and plans everything first and
only then writes. `marks` says what is ours.

Why Grafana's older addresses (/api) and not its newer ones (/apis): every Grafana from 10 to 13
answers them, and the client library knows no others.

Why what we write stays editable in Grafana (no provenance): whoever is on call must be able to
pause a rule or lift a threshold there and then. `mlobs dashboards diff` shows such an edit, and
the next push undoes it, but for what is left to people: a rule's pause and its notification
settings, the name of a data source and what its plugin is told beside what we tell it.

Why a tag with a version on each dashboard: fields alone do not tell an edit from what Grafana
adds, nor what an older release of ours left behind. Whoever saves a dashboard makes a version.

Why never the notification policies: they are one tree for the whole organisation, and writing
it replaces everybody's.
"""
