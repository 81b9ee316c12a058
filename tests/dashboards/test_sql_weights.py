"""Behind a sampler the board in SQL shows what there was, not what is stored of it.

One service's runs are stored whole. The same runs of another went through a sampler: those that failed are
all there, and one in ten of the rest, which say so in their trace state. The board says the same of both.
"""

import time
from pathlib import Path

import pytest

from mlobs.dashboards.boards.traces_clickhouse import board
from mlobs.dashboards.preview.spans import Span
from mlobs.dashboards.sql import statements as sql
from tests.dashboards.asking import Asker, panels
from tests.server.clickhouse.elsewhere import up

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
BOARD = board()
RUNS = 20_000
KEPT = "ot=th:e6666666666668"  # One in ten.
# What is said of single runs is said of what is stored, and scores are no spans.
OF_ONE_RUN = {
    "Slowest runs", "Dearest runs", "Runs with most steps", "Calls repeated most in one run", "Evaluations",
    "The trace", "Its spans", "Its logs",
}  # fmt: skip
PANELS = [(title, statement) for title, statement in panels(BOARD.rows) if title not in OF_ONE_RUN]
UNLIKE = {"Service", "Trace", "Last", "Last failure"}
# Calls of each run: what they are, and how long they take on the whole, in milliseconds.
CALLS = {
    "map('gen_ai.operation.name', 'invoke_agent', 'gen_ai.agent.name', 'helper')": 4000,
    (
        "map('gen_ai.operation.name', 'chat', 'gen_ai.request.model', if(number % 3 = 0, 'large', 'small'), "
        "'gen_ai.provider.name', 'p', 'gen_ai.usage.input_tokens', toString(500 + number % 1000), "
        "'gen_ai.usage.output_tokens', toString(number % 300), 'gen_ai.usage.cache_read.input_tokens', '99', "
        "'mlobs.cost.usd', toString(0.001 * (1 + number % 7)), 'user.id', concat('u', toString(number % 5)), "
        "'gen_ai.conversation.id', concat('c', toString(number % 4)), 'mlobs.tag.tenant', 'acme', "
        "'gen_ai.response.time_to_first_chunk', toString(0.2 + number % 100 / 100))"
    ): 1500,
    "map('gen_ai.operation.name', 'execute_tool', 'gen_ai.tool.name', 'look_up')": 300,
    "map('mlobs.model.name', 'churn', 'mlobs.model.version', '7')": 20,
}


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """An asker of the server's tables and one of an exporter's, by name."""
    folder = tmp_path_factory.mktemp("weights")
    with up(folder / "server", MLOBS_CLICKHOUSE_WRITES="1") as (url, _):
        # All calls are within one minute and one point of every graph, whatever the time is.
        now = time.time() // 60 * 60 + 20
        span = Span(now - 3600, now)
        writer = Asker(f"{url}/clickhouse/", span, method="POST")
        for service in ("whole", "kept"):
            for attributes, milliseconds in CALLS.items():
                writer.send(written(service, attributes, milliseconds, now))
        for statement in (HERE / "exporter_new.sql").read_text().split(";\n"):
            writer.send(statement)
        askers = {
            "mlobs": Asker(writer.url, span),
            "exporter_new": Asker(writer.url, span, database="exporter_new", method="POST"),
        }
        for one in askers.values():
            one.choose(BOARD.variables)
        yield askers


def written(service: str, attributes: str, milliseconds: int, now: float) -> str:
    """Return the statement that stores one call of each run; all calls of a run fail, or none does."""
    failed = "number % 50 = 0"
    where = f"{failed} OR cityHash64(number) % 10 = 0" if service == "kept" else "1"
    state = f"if({failed}, '', '{KEPT}')" if service == "kept" else "''"
    return (
        "INSERT INTO otel_traces "
        "(Timestamp, TraceId, SpanId, TraceState, ServiceName, SpanName, SpanAttributes, Duration, StatusCode"
        f") SELECT fromUnixTimestamp64Milli(toInt64({int((now - 3000) * 1000)} + number % 2400000)), "
        f"lower(concat(hex(cityHash64(number)), hex(sipHash64(number)))), lower(hex(sipHash64(number, 1))), "
        f"{state}, '{service}', 'call', {attributes}, "
        # Those that fail take five times as long, so that what is stored is slower than what there was.
        f"toUInt64({milliseconds} * 1e6 * (0.5 + cityHash64(number, 2) % 1000 / 1000) * if({failed}, 5, 1)), "
        f"if({failed}, 'Error', 'Unset') FROM numbers({RUNS}) WHERE {where}"
    )


@pytest.mark.parametrize("database", ["mlobs", "exporter_new"])
@pytest.mark.parametrize(("title", "statement"), PANELS, ids=[title for title, _ in PANELS])
def test_a_panel_says_of_sampled_runs_what_it_says_of_all(asked, title, statement, database):
    of_all = told(asked[database].only(service="whole"), statement)
    of_kept = told(asked[database].only(service="kept"), statement)
    assert of_all
    assert of_kept == {key: pytest.approx(values, rel=0.12, abs=1e-9) for key, values in of_all.items()}


@pytest.mark.parametrize("level", [0.01, 0.5, 0.95, 0.999, 1])
def test_a_quantile_of_buckets_is_near_the_exact_one(asked, level):
    where = "ServiceName = 'whole' AND Operation = 'chat'"
    exact = f"quantileExact({level})(Duration) / 1e9"
    asker = asked["mlobs"]
    [row] = asker.ask(
        f"SELECT {sql.quantile(level)} AS ours, {exact} AS exact FROM otel_traces WHERE {where}"
    )
    assert row["ours"] == pytest.approx(row["exact"], rel=0.045)


@pytest.mark.parametrize("nanos", ["0", "1", "5e9", "18446744073709551615", "-1", "nan", "inf"])
def test_a_quantile_of_any_number_is_one(asked, nanos):
    [row] = asked["mlobs"].ask(f"SELECT {sql.quantile(0.5, nanos)} AS found FROM otel_traces")
    expected = min(max(float(nanos), 1), 1e18) if nanos != "nan" else 1e18
    assert row["found"] == pytest.approx(expected / 1e9, rel=0.045)


def told(asker: Asker, statement: str) -> dict[tuple[str, ...], list[float]]:
    """Return the numbers of an answer by what stands beside them; those of moments are put together."""
    found: dict[tuple[str, ...], list[list[float]]] = {}
    for row in asker.ask(asker.written(statement)):
        shown = {name: value for name, value in row.items() if name not in {*UNLIKE, "time"}}
        key = tuple(f"{name}={value}" for name, value in shown.items() if isinstance(value, str))
        if numbers := [float(v) for v in shown.values() if isinstance(v, int | float)]:
            found.setdefault(key, []).append(numbers)
    return {
        key: [sum(values) / len(rows) for values in zip(*rows, strict=True)] for key, rows in found.items()
    }
