"""Secrets in a file of sinks: where each one is, never what it is.

Edge: this reads the environment and files. A file that is kept with the code can be shown to
anybody, so a secret that is written into it is refused.
"""

import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlobs.errors import SettingError

BYTES_MAX = 64_000


class Secret(BaseModel):
    """Where a secret is: {env: NAME} or {file: PATH}."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="A variable's name.")
    file: Path | None = Field(None, description="A file that holds nothing else.")

    @model_validator(mode="before")
    @classmethod
    def _is_not_written_here(cls, value: object) -> object:
        if isinstance(value, str):
            # The sentence must not repeat it.
            raise ValueError(  # noqa: TRY004 # what pydantic turns into its own error
                "a secret is not written here; write {env: NAME} or {file: PATH}"
            )
        return value

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("write either {env: NAME} or {file: PATH}")
        return self

    def read(self, whose: str) -> str:
        """Return the secret, without the line's end that editors leave in files.

        Args:
            whose: Begins the sentence if there is none, such as "The url of the sink 'slack'".

        Raises:
            SettingError: The variable is not set, or the file cannot be read, or is empty.
        """
        if self.env is not None:
            found = os.environ.get(self.env, "").strip()
            if not found:
                raise SettingError(
                    f"{whose} is in the variable {self.env}, which is not set. Set it where mlobs runs."
                )
            return found
        assert self.file is not None
        try:
            with self.file.open("rb") as opened:
                found = opened.read(BYTES_MAX).decode().strip()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise SettingError(
                f"{whose} is in {str(self.file)!r}, which cannot be read: {reason}. Put it there, and "
                f"allow the user that mlobs runs as to read it."
            ) from None
        if not found:
            raise SettingError(f"{whose} is in {str(self.file)!r}, which is empty. Put it there.")
        return found
