"""A webhook of Alertmanager as it is posted, and how often one was refused."""

import requests

from tests.alerts.webhooks import alert, alertmanager, encoded

JSON = {"Content-Type": "application/json"}
BODY = encoded(alertmanager(alert()))


def refused(answer: requests.Response, status: int, sentence: str) -> None:
    assert answer.status_code == status
    assert sentence in answer.json()["error"]
