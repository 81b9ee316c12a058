"""A listener that the tests of one file share."""

from collections.abc import Iterator

import pytest

from tests.server.receiving import Receiving, receiving


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiving]:
    """A listener without tokens."""
    with receiving(tmp_path_factory.mktemp("journal")) as started:
        yield started
