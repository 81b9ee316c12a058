"""The description of the API is whole, and true."""

import importlib

import pytest
import requests
from starlette.routing import Route

from mlobs.server.api import ROUTES
from mlobs.server.ask.routes import OPERATIONS


@pytest.fixture(scope="module")
def jsonschema():
    """The package, which takes a second to load."""
    return importlib.import_module("jsonschema")


@pytest.fixture(scope="module")
def document(served):
    return requests.get(f"{served.url}/openapi.json", timeout=60).json()


def test_every_route_is_described(document):
    """With every method."""
    for route in ROUTES:
        assert isinstance(route, Route)
        described = {method.upper() for method in document["paths"][route.path]}
        assert (route.methods or set()) - {"HEAD"} <= described
    assert "/v1/traces" in document["paths"]


def test_the_description_is_openapi(document, jsonschema):
    """As far as can be checked without its own schema: parts, parameters, schemas, references."""
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"]
    assert document["info"]["version"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert path.startswith("/")
            assert method in {"get", "post", "delete", "put"}
            assert operation["summary"], path
            assert operation["responses"]
            given = operation.get("parameters", [])
            in_path = {row["name"] for row in given if row["in"] == "path"}
            assert in_path == {part[1:-1] for part in path.split("/") if part.startswith("{")}
            assert len({(row["name"], row["in"]) for row in given}) == len(given)
            for row in given:
                jsonschema.Draft202012Validator.check_schema(row["schema"])
            for answer in operation["responses"].values():
                for content in answer.get("content", {}).values():
                    jsonschema.Draft202012Validator.check_schema(content.get("schema", {}))


@pytest.mark.parametrize(
    "path",
    [
        "/api/traces", "/api/traces?limit=1", "/api/traces/{trace}", "/api/sessions",
        "/api/sessions/{session}", "/api/aggregate", "/api/aggregate?by=model&step=1h",
        "/api/aggregate?measures=errors", "/api/compare?by=kind", "/api/errors", "/api/running",
        "/api/attributes", "/api/attributes?key=model",
    ],
)  # fmt: skip
def test_answers_are_as_described(served, shop, document, path, jsonschema):
    """Every field that is promised, of the kind that is promised."""
    address = path.format(trace=shop.ids["failed"], session=f"{shop.service}-session-1")
    answer = requests.get(f"{served.url}{address}", timeout=30)
    assert answer.status_code == 200, answer.text
    template = path.partition("?")[0].replace("{trace}", "{trace_id}").replace("{session}", "{session_id}")
    described = document["paths"][template]["get"]
    schema = described["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(answer.json(), schema)


@pytest.mark.slow
def test_every_parameter_that_is_described_is_taken(served):
    """And no other."""
    for operation in OPERATIONS:
        if operation.method == "GET" and "{" not in operation.path:
            for name in operation.params:
                answer = requests.get(f"{served.url}{operation.path}", params={name: ""}, timeout=30)
                assert "is not known here" not in answer.text, (operation.path, name)


def test_refusals_are_as_described(served, document, jsonschema):
    """One shape for all."""
    schema = document["components"]["schemas"]["Error"]
    jsonschema.validate(requests.get(f"{served.url}/api/traces?q=(", timeout=60).json(), schema)
    jsonschema.validate(requests.get(f"{served.url}/api/traces/0", timeout=60).json(), schema)
