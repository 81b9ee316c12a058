"""Finds the dashboards, alert rules and collector configurations that ship with mlobs.

In a wheel they are inside the package. In a checkout, editable installs included, they are
the folders next to it.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


def root() -> Traversable:
    """Return the folder that holds `dashboards`, `alerts` and `collectors`."""
    packaged = files("mlobs") / "_assets"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent
