"""Secrets that are in a file, as orchestrators hand them out: the setting's variable with _FILE names it."""

import os
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from mlobs._refusals import variables
from mlobs.errors import SettingError

ENDING = "_FILE"


def file_variables(kind: type[BaseSettings]) -> dict[str, str]:
    """Return the variables that may name files with the secrets of some settings, by field."""
    fields = kind.model_fields.items()
    return {
        name: variables(kind, name)[-1] + ENDING
        for name, field in fields
        if isinstance(field.default, SecretStr)
    }


def secrets_in_files(kind: type[BaseSettings]) -> dict[str, str]:
    """Return the secrets of some settings that are in files, by field.

    Raises:
        SettingError: A file cannot be read or is empty, or its variable is set beside the secret's own.
    """
    found = {}
    for name, variable in file_variables(kind).items():
        path = os.environ.get(variable)
        if not path:
            continue
        secret = variable.removesuffix(ENDING)
        if os.environ.get(secret):
            raise SettingError(f"Both {secret} and {variable} are set; one was expected. Unset the other.")
        found[name] = _read(Path(path), variable)
    return found


def _read(path: Path, variable: str) -> str:
    """Return what a file holds, without the line's end that editors leave."""
    named = f"The file {path}, which {variable} names,"
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingError(f"{named} cannot be read: {error.strerror}. Let this user read it.") from None
    except UnicodeDecodeError:
        raise SettingError(f"{named} is not UTF-8 text. Write it anew.") from None
    if not text:
        raise SettingError(f"{named} is empty. Write the secret into it.")
    return text
