"""The stack's configuration as the engine hands it to the program."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pulumi

from posture.errors import InputError
from posture.model.settings import Settings, settings_from

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["read_configuration", "run_errors_in_one_line"]


def read_configuration() -> Settings:
    """Read the settings of the stack that the engine runs.

    Raises:
        InputError: A value that can't be.
    """
    config = pulumi.Config()
    names = [field.alias or name for name, field in Settings.model_fields.items()]
    values = {name: config.get(name) for name in names}
    return settings_from(pulumi.get_stack(), {name: value for name, value in values.items() if value is not None})


@contextmanager
def run_errors_in_one_line() -> Iterator[None]:
    """Show bad input as its one line; the language host prints a `RunError` without a traceback."""
    try:
        yield
    except InputError as error:
        raise pulumi.RunError(str(error)) from None
