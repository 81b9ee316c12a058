"""Pages tell people what to set: whatever they name has to be there."""

import re
from pathlib import Path

import pytest

import mlobs.server.pages as pages
from mlobs.settings import SETTINGS, variable

FOLDER = Path(pages.__file__).parent
NAMED = {
    name: path.name
    for path in sorted(FOLDER.rglob("*"))
    if path.suffix in {".py", ".html", ".js"}
    for name in re.findall(r"\bMLOBS_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8"))
}
KNOWN = {variable(kind, field) for kind in SETTINGS for field in kind.model_fields}


@pytest.mark.parametrize(("name", "file"), NAMED.items())
def test_every_variable_that_a_page_names_is_a_setting(name, file):
    assert name in KNOWN, f"{file} names {name}"
