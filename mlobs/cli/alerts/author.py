"""Who it is that types."""

import argparse


def who(arguments: argparse.Namespace) -> str:
    """Return the name that --who gives, or the user's."""
    import getpass

    try:
        return str(arguments.who or getpass.getuser())
    except (KeyError, OSError):  # a user without a name, as in some containers
        return "somebody"
