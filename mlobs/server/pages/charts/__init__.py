"""Pictures as SVG, made on the server: lines, bars and histograms.

A picture takes what is to be shown and returns `Markup`. Colours are classes of the stylesheet, so both
themes and the content security policy are its business. What the script says under the pointer is in the
attribute `data-chart`, and a screen reader is given a sentence.
"""

from mlobs.server.pages.charts.bars import bars
from mlobs.server.pages.charts.frame import Axis, Series
from mlobs.server.pages.charts.histogram import histogram
from mlobs.server.pages.charts.lines import lines

__all__ = ["Axis", "Series", "bars", "histogram", "lines"]
