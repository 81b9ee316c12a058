"""What a token can be for."""

INGEST, READ, ADMIN = "ingest", "read", "admin"
SCOPES = (INGEST, READ, ADMIN)
OPEN = "open"  # Of a route that needs no token.


def allows(held: frozenset[str], needed: str) -> bool:
    """Return whether a token with the scopes `held` may use what needs `needed`.

    An admin may read; nobody but the sender's token sends.

    >>> allows(frozenset({"admin"}), "read"), allows(frozenset({"read"}), "ingest")
    (True, False)
    """
    return needed == OPEN or needed in held or (needed == READ and ADMIN in held)
