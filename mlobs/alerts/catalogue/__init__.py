"""The alerts that ship with mlobs, one file for each part of the house they are about.

Thresholds that differ from house to house are settings. Each rule has a page in alerts/runbooks and a
test in alerts/tests at the moment it fires.
"""

from mlobs.alerts.catalogue.agents import agents
from mlobs.alerts.catalogue.collector import collector
from mlobs.alerts.catalogue.cost import cost
from mlobs.alerts.catalogue.drift import drift
from mlobs.alerts.catalogue.models import models
from mlobs.alerts.catalogue.objectives import objectives
from mlobs.alerts.catalogue.pipeline import pipeline
from mlobs.alerts.catalogue.quality import quality
from mlobs.alerts.rules import Rule
from mlobs.thresholds import Thresholds

__all__ = ["catalogue"]


def catalogue(settings: Thresholds) -> tuple[Rule, ...]:
    """Return every packaged rule, with the thresholds of `settings`."""
    parts = (objectives, models, agents, quality, cost, drift, pipeline, collector)
    return tuple(rule for part in parts for rule in part(settings))
