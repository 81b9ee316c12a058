"""Draws dashboards without Grafana: the classic form and real answers become one HTML file.

`gathering` asks for what a dashboard shows, through `sources`; `page` draws it. Everything between
is pure: `frames` and `transformations` hold answers, `fields` and `units` say how a value is
shown, and each kind of panel has a drawing of its own (`lines`, `stat`, `tables`, `bands`, ...).
`picture` makes a PNG of a page.

Why a renderer of our own: a query that answers is not yet a panel that can be read. Pictures show
a wrong unit, a legend of forty lines or a first screen without a number, and a Grafana is more
than a check should need. It follows Grafana where a reader would notice and no further.
"""
