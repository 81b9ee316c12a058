"""The operating system of the journal under test."""

import pytest

from mlobs.server import journal as journal_module
from tests.server.journals import Disk


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(journal_module, "os", made)
    return made
