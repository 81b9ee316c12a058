"""The sentence about a setting that cannot be used: what came, by which name, and what was wanted."""

import os
from collections.abc import Mapping
from typing import Any

from pydantic import AliasChoices, SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

WANTED = {
    "int_parsing": "a whole number was expected",
    "int_from_float": "a whole number was expected",
    "float_parsing": "a number was expected",
    "bool_parsing": "true or false was expected",
}


def variables(kind: type[BaseSettings], field: str) -> list[str]:
    """Return every environment variable that a setting is read from, the strongest first."""
    alias = kind.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [f"{kind.model_config.get('env_prefix', '')}{field}".upper()]


def sentence(kind: type[BaseSettings], problem: Any, given: Mapping[str, Any], spelling: str) -> str:
    """Return one sentence.

    Args:
        kind: The settings.
        problem: One of pydantic's errors.
        given: The values that were arguments.
        spelling: How an argument is named to whoever gave it.
    """
    place = str(problem["loc"][0])
    field = next(
        (
            name
            for name in kind.model_fields
            if place.lower() in {name, *(one.lower() for one in variables(kind, name))}
        ),
        place,
    )
    what = WANTED.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    default = kind.model_fields[field].default if field in kind.model_fields else None
    secret = isinstance(default, SecretStr)
    shown = "" if secret or default in {None, "", PydanticUndefined} else f" (default: {default})"
    value = "(not shown)" if secret else problem["input"]
    came = (
        spelling.format(name=field, flag=field.replace("_", "-"), value=value)
        if field in given
        else f"{_set_variable(kind, field)}={value!r}"
    )
    return f"{came} cannot be used: {what[:1].lower()}{what[1:]}{shown}."


def _set_variable(kind: type[BaseSettings], field: str) -> str:
    """Return the variable that a setting's value came from."""
    names = variables(kind, field)
    return next((name for name in names if os.environ.get(name)), names[-1])
