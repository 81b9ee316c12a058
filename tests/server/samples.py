"""What /metrics says, by name and labels, and by how much it grew."""

from collections import Counter

import requests
from prometheus_client.parser import text_string_to_metric_families


def samples(server) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    server.drain()
    text = requests.get(f"{server.url}/metrics", timeout=30).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def grown(server, before):
    return Counter({key: value - before.get(key, 0) for key, value in samples(server).items()})


def series(name, **labels):
    return name, tuple(sorted({"service_name": "tests", **labels}.items()))
