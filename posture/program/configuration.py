"""The stack's configuration as the engine hands it to the program."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, get_origin

import pulumi

from posture.errors import InputError
from posture.model.settings import SEALED, Settings, settings_from

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["gateway_key", "read_configuration", "run_errors_in_one_line"]

_KEY = "gatewayKey"


def read_configuration() -> Settings:
    """Read the settings of the stack that the engine runs; the gateway's key is left to `gateway_key`.

    Raises:
        InputError: A value that can't be.
    """
    config = pulumi.Config()
    values = {}
    for name, field in Settings.model_fields.items():
        key = field.alias or name
        is_map = get_origin(field.annotation) is dict
        values[key] = config.get_object(key) if is_map else config.get(key)
    if values[_KEY]:
        if not pulumi.runtime.config.is_config_secret(config.full_key(_KEY)):
            raise InputError(f"'{_KEY}' is in plain text; set it with: pulumi config set --secret {_KEY}")
        values[_KEY] = SEALED
    return settings_from(pulumi.get_stack(), {key: value for key, value in values.items() if value is not None})


def gateway_key() -> pulumi.Output[str]:
    """The private key of the gateway's certificate, a secret."""
    return pulumi.Config().require_secret(_KEY)


@contextmanager
def run_errors_in_one_line() -> Iterator[None]:
    """Show bad input as its one line; the language host prints a `RunError` without a traceback."""
    try:
        yield
    except InputError as error:
        raise pulumi.RunError(str(error)) from None
