"""A check as a page: one HTML file that needs nothing else, no network and no server.

`page` puts it together from `cards` (one column each), `pictures` (SVG) and `words` (what each figure
means). Style and script stand beside them and are copied into the page, which forbids itself to load or
run anything else. `evidently` writes Evidently's own report instead.
"""
