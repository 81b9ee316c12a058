"""Grafana's own models of what its API takes."""


def plain(value):
    """Return what a model would be as JSON, all the way down."""
    if hasattr(value, "to_json"):
        return plain(value.to_json())
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value
