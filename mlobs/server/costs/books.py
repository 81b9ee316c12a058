"""The prices a server uses: those of MLOBS_PRICES, read again when it changes, then the packaged ones."""

from pathlib import Path

from mlobs.errors import PayloadError, SettingError
from mlobs.prices.book import Book
from mlobs.prices.file import load_prices, read_rows


class Books:
    """Keeps the file's rows until the file is another."""

    def __init__(self) -> None:
        self._kept: tuple[object, Book] = ((), Book())

    def current(self, path: Path | None) -> Book:
        """Return the prices, with those of a file first.

        Raises:
            SettingError: The file cannot be read, or a row cannot be used.
        """
        seen, (before, book) = _seen(path), self._kept  # two requests at once may both read it
        if seen != before or seen is None:
            book = Book() if path is None else Book(load_prices(path))
            self._kept = seen, book
        return book


def sent(body: bytes) -> Book:
    """Return the prices of a request's body.

    Raises:
        PayloadError: They are no prices.
    """
    try:
        return Book(read_rows("The body", body.decode()))
    except UnicodeDecodeError:
        raise PayloadError("The body is no text in UTF-8; rows of prices as JSON were expected.") from None
    except SettingError as error:
        raise PayloadError(str(error)) from None


def _seen(path: Path | None) -> object:
    """Return what is another when the file is, None if it is not there."""
    if path is None:
        return ()
    try:
        found = path.stat()
    except OSError:
        return None
    return path, found.st_mtime_ns, found.st_size, found.st_ino
