"""Helps tests see what their code did: `with mlobs.capture() as run:`.

    recording   the context manager, and what it recorded
    pattern     the little language of `run.expect(...)`
    plugin      a pytest fixture, `mlobs_run`

Nothing is imported here: pytest loads the plugin of every installed package.
"""
