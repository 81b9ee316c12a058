"""Prices of one's own go before the packaged ones, and a mistake in them is told."""

import json
import os
import re
import subprocess
import sys
from datetime import date

import pytest

from mlobs.errors import SettingError
from mlobs.instrument.billing import usage_attributes
from mlobs.prices.book import cost_usd, use
from mlobs.prices.buckets import Usage
from mlobs.prices.file import FILE_BYTES_MAX, load_prices
from mlobs.prices.rows import Price

M = 1_000_000
DAY = date(2025, 11, 1)


@pytest.fixture(autouse=True)
def _only_packaged():
    yield
    use(())


def test_a_file_goes_before_the_packaged_rows(tmp_path):
    """What your contract says, and what has changed since."""
    path = tmp_path / "prices.json"
    mine = {
        "provider": "openai",
        "model": "gpt-4o",
        "valid_from": "2025-01-01",
        "input": 1,
        "output": 1,
        "source": "contract 7",
    }
    free = {
        **mine,
        "provider": "local",
        "model": "llama",
        "input": 0,
        "output": 0,
        "valid_until": "2025-12-31",
    }
    path.write_text(json.dumps([mine, free]))
    use(load_prices(path))
    assert cost_usd(Usage(input=M), "openai", "gpt-4o", DAY) == 1
    assert cost_usd(Usage(input=M), "openai", "gpt-4o", date(2024, 6, 1)) == 5
    assert cost_usd(Usage(input=M), "local", "llama", DAY) == 0
    assert cost_usd(Usage(input=M), "local", "llama", date(2026, 1, 1)) is None
    assert cost_usd(Usage(input=M), "openai", "gpt-4o-2024-08-06", DAY) == 1, (
        "a contract is for snapshots too"
    )


def test_a_contract_holds_for_calls_of_every_size(tmp_path):
    """Else the packaged row for large calls would come back in."""
    mine = {**GOOD, "provider": "gemini", "model": "Gemini-2.5-Pro", "tiers": {"Night": 0.1}}
    path = tmp_path / "prices.json"
    path.write_text(json.dumps([mine]))
    use(load_prices(path))
    assert cost_usd(Usage(input=M), "gcp.vertex_ai", "gemini-2.5-pro", DAY) == 1
    assert cost_usd(Usage(input=M), "gcp.gemini", "gemini-2.5-pro", DAY, tier="night") == pytest.approx(0.1)
    use(())
    assert cost_usd(Usage(input=M), "gcp.gemini", "gemini-2.5-pro", DAY) == 2.5


GOOD = {"provider": "p", "model": "m", "valid_from": "2025-01-01", "input": 1, "output": 1, "source": "s"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is no JSON"),
        ("{}", "a list of rows was expected, not dict"),
        ("[1]", "row 1: an object with provider, model and prices was expected, not int"),
        (json.dumps([GOOD, {**GOOD, "inputs": 1}]), "row 2: 'inputs' is not known (did you mean 'input'?)"),
        (
            json.dumps([{**GOOD, "input": -1}]),
            "input=-1: dollars per million tokens, 0 or more, were expected",
        ),
        (json.dumps([{**GOOD, "output": "1"}]), "output='1': dollars per million"),
        (json.dumps([{**GOOD, "valid_from": "soon"}]), "valid_from='soon': a day such as 2025-01-31"),
        (json.dumps([{**GOOD, "tiers": {"batch": "half"}}]), "tiers: batch='half': a factor such as 0.5, or"),
        (json.dumps([{**GOOD, "tiers": [0.5]}]), "tiers=[0.5]: factors by service tier, such as"),
        (json.dumps([{**GOOD, "tiers": {"batch": {"inputs": 1}}}]), "(did you mean 'input'?)"),
        (json.dumps([{**GOOD, "tiers": {"batch": {"input": -1}}}]), "tiers: batch: input=-1: dollars per"),
        (json.dumps([{**GOOD, "above": 1.5}]), "above=1.5: a whole number of input tokens, 0 or more, was"),
        (json.dumps([{**GOOD, "regional": 0}]), "regional=0: a factor such as 1.1 was expected"),
        (json.dumps([{**GOOD, "input": True}]), "input=True: dollars per million"),
        (
            json.dumps([{**GOOD, "valid_until": "2024-12-31"}]),
            "'2024-12-31' is before valid_from='2025-01-01'",
        ),
        (json.dumps([GOOD, GOOD]), "row 2: row 1 says the same model, day and above."),
        (json.dumps([{**GOOD, "zzz": 1}]), "row 1: 'zzz' is not known."),
        ('[{"input": NaN}]', "input=nan: dollars per million"),
        ("[" * 100_000, "is no JSON"),
        (json.dumps([{**GOOD, "model": ""}]), "model='': a text was expected"),
        (json.dumps([{key: value for key, value in GOOD.items() if key != "source"}]), "'source' is missing"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_row(tmp_path, content, words):
    """A file that is half used makes costs half right."""
    path = tmp_path / "prices.json"
    path.write_text(content)
    with pytest.raises(SettingError) as error:
        load_prices(path)
    assert words in str(error.value)
    assert str(error.value).startswith(f"MLOBS_PRICES={str(path)!r}")


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    """With the reason; none of them may end in a program without prices that thinks it has some."""
    with pytest.raises(SettingError, match="cannot be read: No such file"):
        load_prices(tmp_path / "missing.json")
    with pytest.raises(SettingError, match="cannot be read: Is a directory"):
        load_prices(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingError, match=re.escape("is no text in UTF-8.")):
        load_prices(tmp_path / "binary")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    with pytest.raises(SettingError, match="is larger than 16 MiB"):
        load_prices(tmp_path / "huge")


PROGRAM = """
import mlobs
mlobs.init("shop")

@mlobs.llm(model="house-model", provider="local")
def answer():
    mlobs.usage({"prompt_tokens": 1_000_000, "completion_tokens": 0})

with mlobs.capture() as run:
    answer()
print(run.cost_usd)
"""


@pytest.mark.slow
def test_a_program_is_told_its_prices_by_a_variable(tmp_path):
    """A file with a mistake stops a program before it starts, not its spans later."""
    path = tmp_path / "prices.json"
    row = {**GOOD, "provider": "local", "model": "house-model", "input": 0.25}
    environment = {
        **os.environ,
        "MLOBS_PRICES": str(path),
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    }

    def run():
        return subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False
        )

    path.write_text(json.dumps([row]))
    assert run().stdout.split() == ["0.25"]
    path.write_text(json.dumps([{**row, "input": "cheap"}]))
    assert "row 1: input='cheap': dollars per million tokens" in run().stderr


def test_a_listed_deployment_has_a_price():
    """Azure answers with the model's name; the contract is about the deployment."""
    known = {
        "gen_ai.provider.name": "azure.ai.openai",
        "gen_ai.request.model": "my-deployment",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
    }
    assert "mlobs.cost.usd" not in usage_attributes(Usage(input=M), "llm", known, DAY)
    row = {"provider": "azure.ai.openai", "model": "My-Deployment", "valid_from": DAY, "source": "contract"}
    use([Price(**row, input=3, output=4)])
    assert usage_attributes(Usage(input=M), "llm", known, DAY)["mlobs.cost.usd"] == 3
