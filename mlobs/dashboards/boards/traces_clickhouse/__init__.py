"""The board that asks spans themselves, in SQL: which runs, which calls, who, and one trace whole.

It reads the server's store through its ClickHouse interface, a ClickHouse with the server's tables, and
tables of the collector's exporter. Metrics say that something is wrong; here is which run it was.
"""

from mlobs.dashboards.board import Board
from mlobs.dashboards.boards.traces_clickhouse import graphs, tables
from mlobs.dashboards.boards.traces_clickhouse.variables import VARIABLES
from mlobs.dashboards.links import beside


def board(pages: str = "") -> Board:
    """Return the board.

    Args:
        pages: Where people open the server, for runs to lead to its pages; "" for no such link.
    """
    return Board(
        "mlobs-traces-clickhouse",
        "mlobs: traces (ClickHouse)",
        "Runs and calls, counted where their spans are stored: which failed, were slow or dear, for whom, "
        "and what one of them did. A span that a sampler kept counts as often as it stands for.",
        [*graphs.ROWS, *tables.rows(pages)],
        refresh="5m",  # thirty statements over tables that are being written to
        variables=VARIABLES,
        annotations=(),
        leads=(beside("Traces in Tempo", "traces"),),
    )
