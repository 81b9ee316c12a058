"""The routes of all pages."""

from mlobs.server.pages.alerts.routes import ROUTES as ALERTS
from mlobs.server.pages.assets import ROUTES as ASSETS
from mlobs.server.pages.drift.routes import ROUTES as DRIFT
from mlobs.server.pages.login import ROUTES as LOGIN
from mlobs.server.pages.models.money import ROUTES as MONEY
from mlobs.server.pages.models.routes import ROUTES as MODELS
from mlobs.server.pages.overview.routes import ROUTES as OVERVIEW
from mlobs.server.pages.sessions.routes import ROUTES as SESSIONS
from mlobs.server.pages.setup.routes import ROUTES as SETUP
from mlobs.server.pages.trace.routes import ROUTES as TRACE
from mlobs.server.pages.traces.routes import ROUTES as TRACES
from mlobs.server.pages.users.routes import ROUTES as USERS

ROUTES = (
    *ASSETS,
    *LOGIN,
    *OVERVIEW,
    *TRACES,
    *TRACE,
    *SESSIONS,
    *USERS,
    *MODELS,
    *MONEY,
    *SETUP,
    *DRIFT,
    *ALERTS,
)
"""In the order in which they are tried."""
