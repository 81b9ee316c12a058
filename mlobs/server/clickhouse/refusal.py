"""Why a statement is not answered, with ClickHouse's numbers and the HTTP status it has for each."""

from mlobs.errors import QueryError

NOT_IMPLEMENTED, BAD_ARGUMENTS, SYNTAX_ERROR, UNKNOWN_FORMAT = 48, 36, 62, 73
TOO_LARGE, TIMEOUT, READONLY, TOO_MANY, ACCESS_DENIED = 131, 159, 164, 202, 497
SESSION_NOT_FOUND, SESSION_LOCKED = 372, 373
AUTHENTICATION_FAILED, SERVER_FAILED = 516, 1002
NETWORK, TOO_MUCH = 210, 396
STATUSES = {
    **dict.fromkeys((READONLY, 192, 193, ACCESS_DENIED, AUTHENTICATION_FAILED), 403),
    **dict.fromkeys(
        (6, 26, 27, BAD_ARGUMENTS, 38, 41, 53, SYNTAX_ERROR, 69, 70, 72, 117, 376, 427, 457, 690), 400
    ),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, UNKNOWN_FORMAT, 78, 81, 115, 511), 404),
    **dict.fromkeys((TOO_LARGE,), 413),
    **dict.fromkeys((NOT_IMPLEMENTED,), 501),
    **dict.fromkeys((TOO_MANY, NETWORK), 503),
}  # fmt: skip


class ClickHouseError(QueryError):
    """A statement that is refused.

    Args:
        code: ClickHouse's number for the reason.
        sentence: What came, what was wanted, what to do.
    """

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code

    @property
    def status(self) -> int:
        """The HTTP status that ClickHouse has for the reason."""
        return STATUSES.get(self.code, 500)

    def text(self) -> str:
        """Return what ClickHouse would write."""
        return f"Code: {self.code}. DB::Exception: {self}\n"
