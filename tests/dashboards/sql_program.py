"""A program of a user's that makes what every panel of the boards of traces asks for.

`python -m tests.dashboards.sql_program ENDPOINT`: conversations of users and tenants, some of them failing.
"""

import contextlib
import sys

import mlobs
from tests.workload import look_up, support

RUNS = 12


@mlobs.predict(model="churn@7")
def churn(tenure: float) -> float:
    """Predict something."""
    return 1 / (1 + tenure)


@mlobs.agent
def insist(number: int) -> None:
    """Ask for the same again and again."""
    for _ in range(3):
        look_up(number)


def main(endpoint: str) -> None:
    """Make a dozen runs, half of them of a tenant, and one in circles."""
    mlobs.init("support-bot", endpoint=endpoint)
    for number in range(RUNS):
        tags = {"tenant": "acme"} if number % 2 else {}
        chat = mlobs.session(f"conversation-{number % 3}", user=f"user-{number % 4}", tags=tags)
        with contextlib.suppress(TimeoutError), chat:
            churn(float(number))
            support(f"where is order {number}?", number * 100)
    insist(1)
    mlobs.flush()
    mlobs.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
