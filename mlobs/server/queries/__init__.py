"""The statements of the server, one file each."""

from importlib.resources import files


def statement(name: str) -> str:
    """Return the text of `queries/NAME.sql`."""
    return (files(__name__) / f"{name}.sql").read_text()
