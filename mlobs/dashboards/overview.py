"""The landing page: is it broken, for whom, since when; then where to look next."""

from mlobs.dashboards.breakdown import AGENTS, MODELS
from mlobs.dashboards.causes import DRIFTING, PIPELINE, PREDICTIONS
from mlobs.dashboards.quality import QUALITY
from mlobs.dashboards.symptoms import FIRST_GRAPHS, FIRST_NUMBERS

TITLE = "mlobs / Overview"
MEANING = "Models, agents, tools, predictions and drift of all services: is it broken, for whom, since when."
ROWS = (FIRST_NUMBERS, FIRST_GRAPHS, MODELS, AGENTS, QUALITY, PREDICTIONS, DRIFTING, PIPELINE)
